/** A column of a table. */
export interface Column {
  name: string;
  /** Whether it has numbers, which are aligned at their ends. */
  isNumber?: boolean;
  /** Whether its name is only said, because the cells show what they are. */
  isOnlySaid?: boolean;
  /** What its name means. */
  title?: string;
  className?: string | undefined;
}

/** The column of what can be done with a row. */
export const ACTIONS: Column = { name: "Actions", isOnlySaid: true };

/** The names of a table's columns; a text is a column of texts. */
export function TableHead({ columns }: { columns: readonly (string | Column)[] }) {
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          const { name, isNumber, isOnlySaid, title, className }: Column =
            typeof column === "string" ? { name: column } : column;
          return (
            <th
              key={name}
              scope="col"
              data-number={isNumber || undefined}
              title={title}
              className={className}
            >
              {isOnlySaid ? <span className="visually-hidden">{name}</span> : name}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}
