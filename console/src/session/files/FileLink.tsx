import { Link, type LinkComponentProps } from "@tanstack/react-router";

type FileLinkProps = Omit<LinkComponentProps<"a">, "from" | "to" | "search"> & {
  path: string;
  /** From 1. */
  line?: number;
};

/** A link to a file or a folder of the session. */
export function FileLink({ path, line, ...rest }: FileLinkProps) {
  return (
    <Link
      {...rest}
      from="/sessions/$sessionId"
      to="."
      search={({ find }) => ({
        view: "files",
        file: path,
        ...(find !== undefined && { find }),
        ...(line !== undefined && { line: String(line) }),
      })}
      resetScroll={false}
      activeOptions={{ exact: true }}
    />
  );
}
