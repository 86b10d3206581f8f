import { useEffect, useState } from "react";

interface SearchFieldProps {
  /** What is searched for: the name for screen readers and the placeholder. */
  label: string;
  /** The text that is searched for now. */
  value: string;
  /** Called when the user has paused. */
  onSearch: (text: string) => void;
  className?: string | undefined;
}

const PAUSE_MS = 200;

/** A field for a text to search for. */
export function SearchField({ label, value, onSearch, className }: SearchFieldProps) {
  const [text, setText] = useState(value);
  const [known, setKnown] = useState(value);
  // Somebody else has changed it, such as the button that goes back.
  if (value !== known) {
    setKnown(value);
    setText(value);
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: only typing begins a search.
  useEffect(() => {
    if (text === known) return;
    const timer = setTimeout(() => {
      setKnown(text);
      onSearch(text);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);

  return (
    <input
      type="search"
      aria-label={label}
      placeholder={label}
      maxLength={256}
      spellCheck={false}
      autoComplete="off"
      className={className}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        if (text === "") event.currentTarget.blur();
        else setText("");
      }}
    />
  );
}
