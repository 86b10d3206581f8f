import { describe, expect, it } from "vitest";
import { asFailure, Failure, isPassing, readFailure, unanswered } from "../src/api/failures";

function refusal(status: number, code = "REFUSED") {
  return new Failure(code, "It cannot be.", status);
}

describe("how long the server wants a client to wait", () => {
  it.each([
    ["5", 5],
    ["-5", 0],
    ["9999999999", 3600],
    ["soon", undefined],
    ["Wed, 21 Oct 2099 07:28:00 GMT", undefined],
  ])("Retry-After: %s", async (header, seconds) => {
    const response = new Response("", { status: 503, headers: { "Retry-After": header } });
    expect((await readFailure(response)).retryAfter).toBe(seconds);
  });
});

describe("a failure", () => {
  it("is the network's if a request got no answer", () => {
    expect(unanswered(new TypeError("Failed to fetch"))).toMatchObject({ code: "UNREACHABLE" });
  });

  it("is none if the request was called off", () => {
    const calledOff = new DOMException("The user left.", "AbortError");
    expect(unanswered(calledOff)).toBe(calledOff);
  });

  it("that is a fault of the page says so, and does not blame the network", () => {
    expect(asFailure(new RangeError("Invalid array length"))).toMatchObject({
      code: "RangeError",
      message: "Invalid array length",
    });
    expect(asFailure("gone")).toMatchObject({ code: "Error", message: "gone" });
  });

  it.each([
    ["no answer came", unanswered(new TypeError()), true],
    ["the server is busy", refusal(503), true],
    ["there are too many requests", refusal(429), true],
    ["the server refuses", refusal(403), false],
    ["the server is at fault", refusal(500), false],
    ["the page is at fault", new RangeError(), false],
  ])("passes or not: %s", (_, failure, passes) => {
    expect(isPassing(failure)).toBe(passes);
  });
});
