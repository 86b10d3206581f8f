import { afterEach, expect, it, vi } from "vitest";
import { answered, api } from "../src/api/client";
import {
  credential,
  forgetCredential,
  isRefused,
  keepCredential,
  noteRefusal,
  onCredentialChange,
  requestHeaders,
  withKey,
} from "../src/api/credential";
import { readJson } from "../src/api/eventStream";

afterEach(forgetCredential);

/** Return a server that answers every request with a 401, and the keys that it was shown. */
function refusing() {
  const keys: (string | null)[] = [];
  const fetch = async (asked: Request | URL | string, options?: RequestInit) => {
    const { headers } = asked instanceof Request ? asked : new Request(asked, options);
    keys.push(headers.get("authorization"));
    return new Response('{"error": {"code": "UNAUTHORIZED", "message": "No."}}', { status: 401 });
  };
  return { keys, fetch };
}

it("a refused request tells that the key is refused, once", async () => {
  keepCredential("old", false);
  const { fetch } = refusing();
  const heard = vi.fn();
  const stop = onCredentialChange(heard);

  await expect(answered(api.GET("/v1/agents", { fetch }))).rejects.toMatchObject({ status: 401 });
  await expect(answered(api.GET("/v1/sessions", { fetch }))).rejects.toMatchObject({ status: 401 });

  expect(isRefused()).toBe(true);
  expect(heard).toHaveBeenCalledTimes(1);
  stop();
});

it("a refused list of events tells it too", async () => {
  keepCredential("old", false);
  const requests = { fetch: refusing().fetch, headers: requestHeaders };

  const reading = readJson(requests, "http://server/v1/events", new AbortController().signal);

  await expect(reading).rejects.toMatchObject({ status: 401 });
  expect(isRefused()).toBe(true);
});

it("a late refusal of the old key says nothing about the new one", () => {
  keepCredential("new", false);
  noteRefusal(withKey("old").Authorization);
  expect(isRefused()).toBe(false);
});

it("a new key is not refused yet", () => {
  keepCredential("old", false);
  noteRefusal(withKey("old").Authorization);
  keepCredential("new", false);
  expect(isRefused()).toBe(false);
  expect(credential()).toBe("new");
});

it("a key that is tried out is sent in place of the one in use, whose refusal it is not", async () => {
  keepCredential("old", false);
  const { keys, fetch } = refusing();

  const trial = answered(api.GET("/v1/deployment", { headers: withKey("tried"), fetch }));

  await expect(trial).rejects.toMatchObject({ status: 401 });
  expect(keys).toEqual(["Bearer tried"]);
  expect(isRefused()).toBe(false);
});
