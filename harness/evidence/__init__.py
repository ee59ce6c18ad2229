"""What calls cost the processor: counters (PMU) and energy (RAPL), where a machine shows them. Evidence, no verdict."""
