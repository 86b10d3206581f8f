import "react";

// Components may set custom properties of CSS, by which styles read what must be computed.
declare module "react" {
  interface CSSProperties {
    [name: `--${string}`]: string | number | undefined;
  }
}
