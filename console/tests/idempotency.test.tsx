import { cleanup, renderHook } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { useKeyed } from "../src/parts/idempotency";

afterEach(cleanup);

/** Return a request that is made with keys, and the keys that it was made with. */
function keyed(fails: () => boolean) {
  const keys: string[] = [];
  const { result } = renderHook(() =>
    useKeyed(async (name: string, header) => {
      keys.push(header["Idempotency-Key"]);
      if (fails()) throw new Error("no answer");
      return name;
    }),
  );
  return { create: result.current, keys };
}

describe("what is created", () => {
  it("has the same key when it is sent again because no answer came", async () => {
    let fails = true;
    const { create, keys } = keyed(() => fails);
    await expect(create("clerk")).rejects.toThrow("no answer");
    fails = false;
    await create("clerk");
    expect(keys[0]).toMatch(/^console-[0-9a-f]{32}$/);
    expect(keys[1]).toBe(keys[0]);
  });

  it("has another key when it was changed", async () => {
    const { create, keys } = keyed(() => true);
    await expect(create("clerk")).rejects.toThrow();
    await expect(create("writer")).rejects.toThrow();
    expect(keys[1]).not.toBe(keys[0]);
  });

  it("keeps its key while something else gets its answer", async () => {
    let answer = () => {};
    const slow = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const keys: string[] = [];
    const { result } = renderHook(() =>
      useKeyed(async (name: string, header) => {
        keys.push(header["Idempotency-Key"]);
        if (name === "writer") throw new Error("no answer");
        await slow;
      }),
    );
    const clerk = result.current("clerk");
    await expect(result.current("writer")).rejects.toThrow();
    answer();
    await clerk;
    await expect(result.current("writer")).rejects.toThrow();
    expect(keys[2]).toBe(keys[1]);
  });

  it("is created again when it is asked for again after an answer", async () => {
    const { create, keys } = keyed(() => false);
    await create("clerk");
    await create("clerk");
    expect(keys[1]).not.toBe(keys[0]);
  });
});
