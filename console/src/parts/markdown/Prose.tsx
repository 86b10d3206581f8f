import { useId } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { withVisibleControls } from "../controls";
import { CodeBlock } from "./CodeBlock";
import { Picture, WebLink } from "./links";
import styles from "./Markdown.module.css";

const PLUGINS = [remarkGfm];

// An answer's headings are below those of the page.
const ELEMENTS: Components = {
  h1: "h3",
  h2: "h4",
  h3: "h5",
  h4: "h6",
  h5: "h6",
  h6: "h6",
  a: ({ href, children }) => <WebLink href={href}>{children}</WebLink>,
  img: ({ src, alt }) => <Picture address={src} alternative={alt} />,
  input: ({ checked }) => (
    <input
      type="checkbox"
      checked={checked === true}
      aria-label={checked === true ? "done" : "to be done"}
      disabled
      readOnly
    />
  ),
  table: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard.
    <div className={styles.wide} tabIndex={0}>
      <table>{children}</table>
    </div>
  ),
  pre: ({ node, children }) => {
    const [code] = node?.children ?? [];
    if (code?.type !== "element") return <pre>{children}</pre>;
    const { className } = code.properties;
    const [language] = Array.isArray(className) ? className : [];
    const [text] = code.children;
    return (
      <CodeBlock
        code={text?.type === "text" ? text.value.replace(/\n$/, "") : ""}
        language={typeof language === "string" ? language.replace("language-", "") : null}
      />
    );
  },
};

/** A block of Markdown other than code. */
export function Prose({ text }: { text: string }) {
  const id = useId();
  return (
    <ReactMarkdown
      remarkPlugins={PLUGINS}
      components={ELEMENTS}
      // Footnotes of two answers must not have the same ids.
      remarkRehypeOptions={{ clobberPrefix: `${id}-` }}
    >
      {withVisibleControls(text)}
    </ReactMarkdown>
  );
}
