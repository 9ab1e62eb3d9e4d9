"""Readers and cases as samples: what several readers' answers say of treatments and algorithms."""
