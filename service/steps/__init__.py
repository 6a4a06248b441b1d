"""Steps: what routes, batches, scripts and journals speak. A step is plain data; here it is read, bound to the table and carried out."""
