import { memo, useState } from "react";
import remend from "remend";
import { LongText } from "../LongText";
import { type Block, BlockReader, definitionsIn, withDefinitions } from "./blocks";
import { CodeBlock } from "./CodeBlock";
import { isTooDeep } from "./depth";
import styles from "./Markdown.module.css";
import { Prose } from "./Prose";

// Longer ones would hold up the page for more than a moment; they are shown as they are.
const MAX_TEXT = 200_000;
const MAX_BLOCK = 20_000;
const MAX_BLOCKS = 2_000;
// Each block that may refer to the definitions is read together with them.
const MAX_READ_AGAIN = 2_000_000;

interface MarkdownProps {
  text: string;
  /** Whether more of it is to come, so that its last mark may be half-written. */
  isGrowing?: boolean;
}

/**
 * A text in Markdown. It is never taken as HTML, and loads nothing from elsewhere.
 *
 * While it grows, its last blocks alone are read and drawn again.
 */
export function Markdown({ text, isGrowing = false }: MarkdownProps) {
  const [reader] = useState(() => new BlockReader());
  if (text.length > MAX_TEXT) return <LongText text={text} />;
  const blocks = reader.read(text);
  if (blocks.length > MAX_BLOCKS) return <LongText text={text} />;
  const defined = definitionsIn(blocks);
  const definitions = defined.length * blocks.length > MAX_READ_AGAIN ? "" : defined;
  return (
    <div className={styles.markdown} dir="auto">
      {blocks.map((block, at) => (
        <MarkdownBlock
          key={block.start}
          block={block}
          definitions={definitions}
          isGrowing={isGrowing && at === blocks.length - 1}
        />
      ))}
    </div>
  );
}

interface MarkdownBlockProps {
  block: Block;
  definitions: string;
  isGrowing: boolean;
}

const MarkdownBlock = memo(function MarkdownBlock(props: MarkdownBlockProps) {
  const { block, definitions, isGrowing } = props;
  if (block.kind === "code") {
    return <CodeBlock code={block.text} language={block.language} isGrowing={isGrowing} />;
  }
  if (block.text.length > MAX_BLOCK || isTooDeep(block.text)) return <LongText text={block.text} />;
  if (isGrowing) return <Prose text={remend(block.text)} />;
  return <Prose text={withDefinitions(block, definitions)} />;
});
