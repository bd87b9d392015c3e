// OpenAI's client for node against minke serve: client.js REAL SCRIPT FULL, the addresses of client_test.sh.
const assert = require("assert").strict;
const OpenAI = require("openai");

const [realAt, scriptAt, fullAt] = process.argv.slice(2);
const client = (baseURL, apiKey) => new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const real = client(realAt, "none"), script = client(scriptAt, "sesame"), full = client(fullAt, "none");
const user = (content) => [{ role: "user", content }];

async function metrics(address, key) {
  const answer = await fetch(address.replace(/v1$/, "metrics"), { headers: { Authorization: `Bearer ${key}` } });
  const lines = (await answer.text()).split("\n").filter((l) => l && !l.startsWith("#"));
  return Object.fromEntries(lines.map((l) => [l.slice(0, l.lastIndexOf(" ")), Number(l.slice(l.lastIndexOf(" ") + 1))]));
}
async function soon(what) {
  for (let i = 0; i < 6000; ++i) {
    if (await what()) return;
    await new Promise((f) => setTimeout(f, 20));
  }
  assert.fail("it does not come to be");
}
async function raises(kind, promise, status, param, code) {
  const e = await promise.then(() => assert.fail(`${kind.name} is missing`), (e) => e);
  assert.equal(e.constructor.name, kind.name, e);
  if (status) assert.equal(e.status, status);
  if (param) assert.equal(e.param, param);
  if (code) assert.equal(e.code, code);
  return e;
}
// The deltas of a stream, put together.
async function read(stream) {
  const all = { content: "", thought: "", calls: [], finish: null, last: null };
  for await (const chunk of stream) {
    all.last = chunk;
    for (const { delta, finish_reason } of chunk.choices) {
      assert(!(delta.reasoning_content && all.content), "a thought behind the answer");
      all.content += delta.content ?? "", all.thought += delta.reasoning_content ?? "";
      all.finish = finish_reason ?? all.finish;
      for (const { index, id, function: f } of delta.tool_calls ?? []) {
        all.calls[index] ??= { id, name: f.name, arguments: "" };
        all.calls[index].arguments += f.arguments;
      }
    }
  }
  return all;
}

const weather = { type: "function", function: { name: "weather", parameters: {
  type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city"] } } };
const clock = { type: "function", function: { name: "clock", description: "the time" } };
const arguments_ = [{ city: "Dakar", days: 2 }, { city: "São Paulo \"}\" 鲸" }];

const tests = {
  async models() {
    const ids = [];
    for await (const m of real.models.list()) ids.push(m.id);
    assert.deepEqual(ids, ["whale"]);
    assert.equal((await real.models.retrieve("whale")).id, "whale");
    await raises(OpenAI.NotFoundError, real.models.retrieve("gpt-9"), 404);
  },
  async streamsSayTheSame() {
    const asked = { model: "whale", messages: user("How is the sea?"), seed: 3, max_tokens: 40, temperature: 1 };
    const whole = await real.chat.completions.create(asked);
    const streamed = await read(await real.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } }));
    assert.equal(streamed.content, whole.choices[0].message.content);
    assert.equal(streamed.finish, whole.choices[0].finish_reason);
    assert.equal(streamed.last.usage.completion_tokens, whole.usage.completion_tokens);
    const runner = real.chat.completions.stream(asked);
    assert.equal((await runner.finalChatCompletion()).choices[0].message.content, streamed.content);
    const beside = await Promise.all([...Array(12).keys()].map(async (i) =>
      (await read(await real.chat.completions.create({ ...asked, seed: i % 3, stream: true }))).content));
    beside.forEach((text, i) => assert.equal(text, beside[i % 3]));
    assert.equal(new Set(beside).size, 3);
  },
  async severalAnswersStopsLogprobs() {
    const asked = { model: "whale", messages: user("How is the sea?"), seed: 3, max_tokens: 12, temperature: 1 };
    const a = await real.chat.completions.create({ ...asked, n: 3, logprobs: true, top_logprobs: 4 });
    assert.deepEqual(a.choices.map((c) => c.index), [0, 1, 2]);
    for (const c of a.choices)
      for (const t of c.logprobs.content) {
        assert(t.logprob <= 0 && t.top_logprobs.length === 4);
        assert.equal(Buffer.from(t.bytes).toString(), t.token);
      }
    const whole = a.choices[0].message.content, stop = whole.slice(4, 6);
    const cut = (await real.chat.completions.create({ ...asked, stop: [stop, "\0"] })).choices[0];
    assert.equal(cut.message.content, whole.slice(0, whole.indexOf(stop)));
    assert.equal(cut.finish_reason, "stop");
    const more = { model: "whale", prompt: "The whale", max_tokens: 5, temperature: 0 };
    let text = "";
    for await (const chunk of await real.completions.create({ ...more, stream: true })) text += chunk.choices[0].text;
    assert.equal((await real.completions.create({ ...more, echo: true })).choices[0].text, "The whale" + text);
  },
  async jsonSchema() {
    const schema = { type: "object", additionalProperties: false, required: ["name", "n", "kind"], properties: {
      name: { type: "string", maxLength: 8 }, n: { type: "integer", minimum: 1, maximum: 99 }, kind: { enum: ["sea", "land", 7, null] } } };
    for (let seed = 0; seed < 5; ++seed) {
      // reasoning_budget: a model that knows nothing may think all the time.
      const a = await real.chat.completions.parse({ model: "whale", messages: user("Say"), seed, temperature: 1, max_tokens: 90, reasoning_budget: 0,
        response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema } } });
      const value = JSON.parse(a.choices[0].message.content);
      assert.equal(a.choices[0].finish_reason, "stop");
      assert.deepEqual(Object.keys(value), ["name", "n", "kind"]);
      assert([...value.name].length <= 8 && value.n >= 1 && value.n <= 99 && schema.properties.kind.enum.includes(value.kind), value);
    }
  },
  async tools() {
    const asked = { model: "scripted", messages: user("two cities"), tools: [weather, clock] };
    const whole = (await script.chat.completions.create(asked)).choices[0];
    const streamed = await read(await script.chat.completions.create({ ...asked, stream: true }));
    for (const calls of [whole.message.tool_calls.map((c) => ({ id: c.id, ...c.function })), streamed.calls]) {
      assert.deepEqual(calls.map((c) => c.name), ["weather", "weather"]);
      assert.deepEqual(calls.map((c) => JSON.parse(c.arguments)), arguments_);
      assert.notEqual(calls[0].id, calls[1].id);
    }
    for (const [thought, content, finish] of [[whole.message.reasoning_content, whole.message.content, whole.finish_reason],
      [streamed.thought, streamed.content, streamed.finish]]) {
      assert.equal(thought, "\nTwo calls, then.");
      assert.equal(content, "I look.\n");
      assert.equal(finish, "tool_calls");
    }
    // The client calls the tools itself, streaming, and asks on with what they said.
    const cities = [];
    const runner = script.chat.completions.runTools({ model: "scripted", messages: user("two cities"), stream: true, tools: [
      { type: "function", function: { ...weather.function, parse: JSON.parse, function: (a) => (cities.push(a), "21 degrees") } }] });
    assert.equal(await runner.finalContent(), "It is 21 degrees in Dakar.");
    assert.deepEqual(cities, arguments_);
    for (const tool_choice of ["required", { type: "function", function: { name: "clock" } }]) {
      const must = (await script.chat.completions.create({ ...asked, messages: user("must call"), tool_choice })).choices[0];
      assert.equal(must.message.content, null);
      assert.equal(must.message.tool_calls[0].function.name, "clock");
    }
    const none = (await script.chat.completions.create({ ...asked, messages: user("must call"), tool_choice: "none" })).choices[0];
    assert(!none.message.tool_calls && none.finish_reason === "stop");
  },
  async reasoning() {
    const asked = { model: "scripted", messages: user("think") };
    const whole = await script.chat.completions.create(asked);
    const streamed = await read(await script.chat.completions.create({ ...asked, stream: true }));
    assert.equal(streamed.thought, "\nA short thought, with a 鲸.");
    assert.equal(streamed.content, "And 3 words.");
    assert.equal(whole.choices[0].message.reasoning_content, streamed.thought);
    assert.equal(whole.choices[0].message.content, streamed.content);
    assert(whole.usage.completion_tokens_details.reasoning_tokens > 0);
  },
  async mistakes() {
    const ask = (more) => real.chat.completions.create({ model: "whale", messages: user("x"), ...more });
    await raises(OpenAI.BadRequestError, ask({ messages: [] }), 400, "messages");
    await raises(OpenAI.BadRequestError, ask({ temperature: -1 }), 400, "temperature");
    await raises(OpenAI.BadRequestError, ask({ messages: user("x ".repeat(1000)) }), 400, "messages", "context_length_exceeded");
    await raises(OpenAI.NotFoundError, ask({ model: "gpt-9" }), 404, "model", "model_not_found");
    await raises(OpenAI.AuthenticationError, client(scriptAt, "open").models.list(), 401, null, "invalid_api_key");
    const broken = { model: "scripted", messages: user("break") };
    await raises(OpenAI.APIError, script.chat.completions.create({ ...broken, stream: true }).then(read));
    await raises(OpenAI.InternalServerError, script.chat.completions.create(broken), 500);
    // One place to be computed and one to wait.
    const forever = await full.chat.completions.create({ model: "scripted", messages: user("forever"), stream: true });
    const waits = full.chat.completions.create({ model: "scripted", messages: user("x") });
    await soon(async () => (await metrics(fullAt, "")).minke_requests_queued === 1);
    const e = await raises(OpenAI.RateLimitError, full.chat.completions.create({ model: "scripted", messages: user("x") }), 429, null, "queue_full");
    assert(Number(e.headers.get("retry-after")) > 0);
    forever.controller.abort();
    assert.equal((await waits).choices[0].message.content, "Hello, you.");
  },
  async streamsThatAreAbortedLeaveNothing() {
    for (const [at, key, c, text] of [[scriptAt, "sesame", script, "forever"], [realAt, "", real, "How is the sea?"]]) {
      for (let i = 0; i < 10; ++i) {
        const stream = await c.chat.completions.create({ model: "default", messages: user(text), stream: true, n: 2, temperature: 1 });
        for await (const _ of stream) break;  // as leaving a loop does
      }
      await soon(async () => {
        const m = await metrics(at, key);
        return m.minke_requests_running === 0 && m.minke_kv_pages_free === m.minke_kv_pages;
      });
    }
  },
};

(async () => {
  for (const [name, test] of Object.entries(tests)) {
    await test();
    console.log(name);
  }
  process.exit(0);  // connections that are kept open wait for nothing
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
