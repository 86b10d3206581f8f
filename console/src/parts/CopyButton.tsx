import { Button } from "./Button";
import { useCopy } from "./copying";

interface CopyButtonProps {
  /** What is copied, such as "Copy JSON". */
  label: string;
  /** Returns the text; it is made when it is wanted. */
  text: () => string;
}

/** A button that copies a text. */
export function CopyButton({ label, text }: CopyButtonProps) {
  const [outcome, copy] = useCopy();
  return (
    <Button tone="quiet" onClick={() => void copy(text())}>
      {outcome ?? label}
    </Button>
  );
}
