import { useState } from "react";
import type { Schemas } from "../api/client";
import { Dialog } from "../parts/Dialog";
import { Form } from "../parts/form/Form";
import { NumberField } from "../parts/form/NumberField";
import { useTopUp } from "./queries";

interface TopUpProps {
  budget: Schemas["BudgetShown"];
  onClose: () => void;
}

/** Asks how much more may be spent. */
export function TopUp({ budget, onClose }: TopUpProps) {
  const topUp = useTopUp(budget.id);
  const [amount, setAmount] = useState<number>();
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Top up a budget"
      description="It adds to what is left, in this period of the budget."
    >
      <Form
        action="Top up"
        isDirty={amount !== undefined}
        isSaving={topUp.isPending}
        error={topUp.error}
        onSave={() => amount !== undefined && topUp.mutate(amount, { onSuccess: onClose })}
      >
        <NumberField
          label="Amount"
          name="amount"
          isRequired
          unit={budget.currency === "usd" ? "US dollars" : "tokens"}
          above={0}
          value={amount}
          onChange={setAmount}
        />
      </Form>
    </Dialog>
  );
}
