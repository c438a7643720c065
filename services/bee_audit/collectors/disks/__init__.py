"""The parts of the storage collector: what the kernel shows, what each disk says, what lies behind RAID."""
