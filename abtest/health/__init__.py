"""Is the experiment what its design says it is?"""
