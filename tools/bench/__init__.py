"""`ringbuf bench`: what capture costs, measured beside its physical limit and beside what people use instead."""
