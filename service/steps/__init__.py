"""Steps: what routes, batches, scripts and journals speak. A step is plain data; here it is read, bound to the table and carried out."""

from service.steps import optimizing as optimizing  # declares its verbs, as service.steps.verbs does
