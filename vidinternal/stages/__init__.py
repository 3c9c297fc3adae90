"""What a pipeline is made of; each stage declares what it reads and writes."""
