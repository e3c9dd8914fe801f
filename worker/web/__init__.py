"""The status page: what `status`, `watch` and `failures` tell, in a browser, with the same pause, resume, cancel and retry."""
