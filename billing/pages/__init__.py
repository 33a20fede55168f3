"""What people see of billing. Views here only ask services and selectors and put the answers into words."""
