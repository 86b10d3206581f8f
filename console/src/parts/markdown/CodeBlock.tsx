import { lazy, Suspense } from "react";
import { Button } from "../Button";
import { withVisibleControls } from "../controls";
import { useCopy } from "../copying";
import { endOfHead, LongText } from "../LongText";
import styles from "./CodeBlock.module.css";

const Highlighted = lazy(async () => {
  const { Highlighted: component } = await import("./Highlighted");
  return { default: component };
});

interface CodeBlockProps {
  code: string;
  language: string | null;
  /** Whether more of it is to come; it gets its colours when it is complete. */
  isGrowing?: boolean;
}

/** Code, which can be copied. */
export function CodeBlock({ code, language, isGrowing = false }: CodeBlockProps) {
  const [outcome, copy] = useCopy();
  const shown = withVisibleControls(code);
  return (
    <figure className={styles.block}>
      <figcaption className={styles.bar}>
        <span>{language ?? "code"}</span>
        <Button tone="quiet" onClick={() => copy(code)}>
          {outcome ?? "Copy"}
        </Button>
      </figcaption>
      {endOfHead(code) < code.length ? (
        <div className={styles.long}>
          <LongText text={code} isCopiedAround />
        </div>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard.
        <pre className={styles.code} tabIndex={0}>
          <code>
            {language === null || isGrowing ? (
              shown
            ) : (
              <Suspense fallback={shown}>
                <Highlighted code={shown} language={language} />
              </Suspense>
            )}
          </code>
        </pre>
      )}
    </figure>
  );
}
