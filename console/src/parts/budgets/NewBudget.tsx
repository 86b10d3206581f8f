import { useState } from "react";
import type { Schemas } from "../../api/client";
import { AgentPicker } from "../agents/AgentPicker";
import { Dialog } from "../Dialog";
import { Form } from "../form/Form";
import { NumberField } from "../form/NumberField";
import { SelectField } from "../form/SelectField";
import { TextField } from "../form/TextField";
import { useCreateBudget } from "./queries";

type Budget = Schemas["BudgetInput"];
type Unit = "none" | Schemas["Period"]["unit"];

const SUBJECTS: readonly { value: Budget["subject_type"]; label: string }[] = [
  { value: "agent", label: "An agent, with all of its sessions" },
  { value: "session", label: "One session" },
];
const CURRENCIES: readonly { value: Budget["currency"]; label: string }[] = [
  { value: "usd", label: "US dollars" },
  { value: "tokens", label: "Tokens" },
];
const UNITS: readonly { value: Unit; label: string }[] = [
  { value: "none", label: "Never" },
  { value: "day", label: "Every day" },
  { value: "week", label: "Every week" },
  { value: "month", label: "Every month" },
];

interface NewBudgetProps {
  /** The agent that it is for; without one, the user chooses an agent or a session. */
  agentId?: string;
  onClose: () => void;
}

/** Asks what a new budget limits, and to how much. */
export function NewBudget({ agentId, onClose }: NewBudgetProps) {
  const creating = useCreateBudget();
  const [subject, setSubject] = useState<Budget["subject_type"]>("agent");
  const [id, setId] = useState(agentId ?? "");
  const [currency, setCurrency] = useState<Budget["currency"]>("usd");
  const [limit, setLimit] = useState<number>();
  const [softLimit, setSoftLimit] = useState<number>();
  const [unit, setUnit] = useState<Unit>("none");

  function create() {
    const budget: Budget = {
      subject_type: subject,
      subject_id: id.trim(),
      currency,
      // Without a limit the server says that it is missing, and that is shown next to its field.
      limit: limit ?? 0,
      ...(softLimit !== undefined && { soft_limit: softLimit }),
      ...(unit !== "none" && { period: { unit } }),
    };
    creating.mutate(budget, { onSuccess: onClose });
  }

  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="New budget"
      description="It counts what is spent from now on. When it is used up, turns end."
    >
      <Form
        action="Create budget"
        isDirty={id !== (agentId ?? "") || limit !== undefined}
        isSaving={creating.isPending}
        error={creating.error}
        onSave={create}
      >
        {agentId === undefined && (
          <SubjectFields
            subject={subject}
            id={id}
            onChange={(nextSubject, nextId) => {
              setSubject(nextSubject);
              setId(nextId);
            }}
          />
        )}
        <SelectField
          label="Currency"
          name="currency"
          options={CURRENCIES}
          value={currency}
          onChange={setCurrency}
        />
        <NumberField
          label="Limit"
          name="limit"
          isRequired
          unit={currency === "usd" ? "US dollars" : "tokens"}
          above={0}
          value={limit}
          onChange={setLimit}
        />
        <NumberField
          label="Warning"
          name="soft_limit"
          hint="From here on, the budget's check reports a warning. Turns go on."
          unit={currency === "usd" ? "US dollars" : "tokens"}
          above={0}
          value={softLimit}
          onChange={setSoftLimit}
        />
        <SelectField
          label="Renews"
          name="period"
          hint="Each period begins with the full limit. It cannot be changed later."
          options={UNITS}
          value={unit}
          onChange={setUnit}
        />
      </Form>
    </Dialog>
  );
}

interface SubjectFieldsProps {
  subject: Budget["subject_type"];
  id: string;
  onChange: (subject: Budget["subject_type"], id: string) => void;
}

function SubjectFields({ subject, id, onChange }: SubjectFieldsProps) {
  return (
    <>
      <SelectField
        label="For"
        name="subject_type"
        options={SUBJECTS}
        value={subject}
        onChange={(next) => onChange(next, "")}
      />
      {subject === "agent" ? (
        <AgentPicker
          label="Agent"
          name="subject_id"
          isLabelShown
          placeholder="Choose an agent"
          value={id === "" ? null : id}
          onChange={(next) => onChange(subject, next ?? "")}
        />
      ) : (
        <TextField
          label="Session"
          name="subject_id"
          isRequired
          isMono
          placeholder="session_…"
          value={id}
          onChange={(next) => onChange(subject, next)}
        />
      )}
    </>
  );
}
