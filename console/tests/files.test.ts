import { describe, expect, it } from "vitest";
import { countLines, isEditable, refusalOf, refusalOfPath } from "../src/session/files/limits";
import { withSlashes } from "../src/session/files/queries";
import { type FileInfo, nodeIn, parentOf, pathIn, rowsOf, treeOf } from "../src/session/files/tree";

const MIB = 1024 * 1024;

function file(path: string, more: Partial<FileInfo> = {}): FileInfo {
  return {
    id: `file_${path}`,
    session_id: "",
    path,
    name: path.slice(path.lastIndexOf("/") + 1),
    is_directory: false,
    is_readonly: false,
    size_bytes: 1,
    created_at: "2026-01-31T10:00:00.000Z",
    updated_at: "2026-01-31T10:00:00.000Z",
    ...more,
  };
}

const folder = (path: string) => file(path, { is_directory: true, size_bytes: 0 });
const all = () => true;

/** What a test looks at: the path of each row, after as many dots as it is deep. */
function drawn(files: readonly FileInfo[], isOpen: (path: string) => boolean = all): string[] {
  return rowsOf(treeOf(files), isOpen).map(({ node, level }) => ".".repeat(level) + node.name);
}

describe("The tree of files", () => {
  it("has folders first and counts numbers in names as numbers", () => {
    const files = [file("/b10"), file("/b9"), folder("/z"), file("/z/a")];
    expect(drawn(files)).toEqual([".z", "..a", ".b9", ".b10"]);
  });

  it("has folders that the list leaves out", () => {
    expect(drawn([file("/a/b/c")])).toEqual([".a", "..b", "...c"]);
  });

  it("has an empty folder", () => {
    expect(treeOf([folder("/empty")]).children).toMatchObject([{ path: "/empty", children: [] }]);
  });

  it("does not draw what is in closed folders", () => {
    const files = [folder("/a"), file("/a/b"), file("/c")];
    expect(drawn(files, () => false)).toEqual([".a", ".c"]);
  });

  it("does not depend on the order of the list", () => {
    const files = [file("/a/b/c"), folder("/a/b"), folder("/a")];
    expect(drawn(files)).toEqual(drawn(files.toReversed()));
    expect(nodeIn(treeOf(files), "/a/b")?.info?.is_directory).toBe(true);
  });

  it("takes names that every object has", () => {
    expect(drawn([file("/__proto__/constructor"), file("/toString")])).toEqual([
      ".__proto__",
      "..constructor",
      ".toString",
    ]);
  });

  it("finds a path, and no path that only begins like it", () => {
    const root = treeOf([file("/notes/a"), file("/notes2")]);
    expect(nodeIn(root, "/notes/a")?.name).toBe("a");
    expect(nodeIn(root, "/note")).toBeNull();
    expect(nodeIn(root, "/")).toBe(root);
  });
});

describe("Paths", () => {
  it("lead to the folder and back", () => {
    expect(parentOf("/a")).toBe("/");
    expect(parentOf("/a/b")).toBe("/a");
    expect(pathIn("/", "a")).toBe("/a");
    expect(pathIn("/a", "b")).toBe("/a/b");
  });

  it("keep their slashes in an address, and nothing else that means something there", () => {
    const template = "/v1/workspaces/{workspace_id}/fs/{path}";
    expect(withSlashes(template, { workspace_id: "w", path: "a b/c?d#e%" })).toBe(
      "/v1/workspaces/w/fs/a%20b/c%3Fd%23e%25",
    );
  });

  it.each(["a", "/a//b", "/a/", "/a/../b", "/_/x"])(
    "are refused before they are sent: %s",
    (path) => {
      expect(refusalOfPath(path)).not.toBeNull();
    },
  );

  it("are taken", () => {
    expect(refusalOfPath("/a/b c/ü.txt")).toBeNull();
  });
});

describe("Uploads", () => {
  it("are refused if one is too large", () => {
    expect(refusalOf([{ path: "/a", size: MIB + 1 }], [])).toContain("a file may have 1,048,576");
    expect(refusalOf([{ path: "/a", size: MIB }], [])).toBeNull();
  });

  it("are refused if there would be too many entries", () => {
    const files = Array.from({ length: 1000 }, (_, place) => file(`/${place}`));
    expect(refusalOf([{ path: "/new", size: 1 }], files)).toContain("1,001 entries");
    expect(refusalOf([{ path: "/7", size: 1 }], files)).toBeNull();
  });

  it("count what they replace", () => {
    const files = Array.from({ length: 64 }, (_, place) => file(`/${place}`, { size_bytes: MIB }));
    expect(refusalOf([{ path: "/new", size: 1 }], files)).toContain("a workspace holds 67,108,864");
    expect(refusalOf([{ path: "/7", size: MIB }], files)).toBeNull();
  });

  it("do not replace what is read-only, nor a folder", () => {
    const files = [file("/a", { is_readonly: true }), folder("/b")];
    expect(refusalOf([{ path: "/a", size: 1 }], files)).toContain("read-only");
    expect(refusalOf([{ path: "/b", size: 1 }], files)).toContain("a folder");
  });
});

describe("the lines of a file", () => {
  it.each([
    ["", 0],
    ["one", 1],
    ["one\n", 1],
    ["one\ntwo", 2],
    ["\n\n", 2],
  ])("are counted: %j has %i", (text, count) => {
    expect(countLines(text)).toBe(count);
  });

  it("can be so many that a field for them would stop the page", () => {
    expect(isEditable("a\n".repeat(50_000))).toBe(true);
    expect(isEditable("a\n".repeat(50_001))).toBe(false);
  });
});
