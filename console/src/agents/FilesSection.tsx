import { type ChangeEvent, useId } from "react";
import { Button } from "../parts/Button";
import { Fold } from "../parts/form/Fold";
import { Section } from "../parts/form/Section";
import { SelectField } from "../parts/form/SelectField";
import { TextAreaField, TextField } from "../parts/form/TextField";
import { Toggle } from "../parts/form/Toggle";
import type { InitialFile } from "./draft";
import styles from "./Editor.module.css";
import { readFile } from "./files";
import type { SectionOf } from "./section";

/** Files that every new session of the agent begins with. */
export function FilesSection({ draft, change }: SectionOf) {
  const files = draft.initial_files;
  const input = useId();

  function replace(place: number, file: InitialFile) {
    change(
      "initial_files",
      files.map((other, index) => (index === place ? file : other)),
    );
  }

  async function add(event: ChangeEvent<HTMLInputElement>) {
    const chosen = [...(event.target.files ?? [])];
    event.target.value = "";
    const read = await Promise.all(chosen.map(readFile));
    const paths = new Set(read.map(({ path }) => path));
    change("initial_files", [...files.filter(({ path }) => !paths.has(path)), ...read]);
  }

  return (
    <Section
      title="Initial files"
      summary={files.length === 0 ? "none" : String(files.length)}
      startsOpen={files.length > 0}
      about="They are put into the workspace of each new session: at most 100, 1 MB each, 8 MB together."
    >
      {files.map((file, place) => (
        <Fold
          // biome-ignore lint/suspicious/noArrayIndexKey: a path changes while it is typed.
          key={place}
          title={file.path || "New file"}
          startsOpen={file.path === ""}
        >
          <TextField
            label="Path"
            name={`initial_files.${place}.path`}
            isRequired
            isMono
            value={file.path}
            placeholder="/notes/style.md"
            onChange={(path) => replace(place, { ...file, path })}
          />
          <SelectField
            label="Encoding"
            name={`initial_files.${place}.encoding`}
            value={file.encoding ?? "text"}
            options={[
              { value: "text", label: "Text" },
              { value: "base64", label: "Base64" },
            ]}
            onChange={(encoding) => replace(place, { ...file, encoding })}
          />
          <TextAreaField
            label="Content"
            name={`initial_files.${place}.content`}
            isMono
            counts
            value={file.content}
            onChange={(content) => replace(place, { ...file, content })}
          />
          <Toggle
            label="The agent may not change it"
            isOn={file.is_readonly ?? false}
            onChange={(is_readonly) => replace(place, { ...file, is_readonly })}
          />
          <Button
            onClick={() =>
              change(
                "initial_files",
                files.filter((_, index) => index !== place),
              )
            }
          >
            Remove {file.path || "this file"}
          </Button>
        </Fold>
      ))}
      <div className={styles.adding}>
        <Button onClick={() => change("initial_files", [...files, { path: "", content: "" }])}>
          Write a file
        </Button>
        <label htmlFor={input}>or choose files</label>
        <input id={input} type="file" multiple onChange={add} />
      </div>
    </Section>
  );
}
