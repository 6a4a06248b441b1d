"""The engine as a service. Empty on purpose: ``service.app`` joins the parts."""
