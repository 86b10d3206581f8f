import type { Schemas } from "../../api/client";
import { Confirm } from "../Confirm";
import { useDisableBudget } from "./queries";

interface DisableBudgetProps {
  budget: Schemas["BudgetShown"];
  onClose: () => void;
}

/** Asks whether a budget is to be disabled. */
export function DisableBudget({ budget, onClose }: DisableBudgetProps) {
  const disable = useDisableBudget(budget.id);
  return (
    <Confirm
      isOpen
      onClose={onClose}
      title="Disable this budget?"
      action="Disable budget"
      isBusy={disable.isPending}
      error={disable.error}
      onConfirm={() => disable.mutate(undefined, { onSuccess: onClose })}
    >
      It will limit nothing and no longer be listed. What was spent stays in its ledger.
    </Confirm>
  );
}
