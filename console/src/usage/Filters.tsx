import { AgentName } from "../parts/agents/AgentName";
import { Button } from "../parts/Button";
import type { UsageSearch } from "../searches";
import styles from "./Filters.module.css";
import type { Changes } from "./period";

interface FiltersProps {
  search: UsageSearch;
  onChange: (changes: Changes) => void;
}

/** What the report is limited to, each with a button that ends it. */
export function Filters({ search, onChange }: FiltersProps) {
  if (search.agent === undefined && search.model === undefined) return null;
  return (
    <div className={styles.filters}>
      Only
      {search.agent !== undefined && (
        <Button onClick={() => onChange({ agent: undefined })} title="Show all agents">
          agent <AgentName id={search.agent} /> ×
        </Button>
      )}
      {search.model !== undefined && (
        <Button onClick={() => onChange({ model: undefined })} title="Show all models">
          model {search.model} ×
        </Button>
      )}
    </div>
  );
}
