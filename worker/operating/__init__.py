"""What an operator sees and does: views of the ledger, plans, cancel and retry. Commands and the status page share it."""
