"""Jobs for the machines of a fleet, as files of the services that run them."""
