#!/usr/bin/env bash
# minke pipeline, as a user goes: four stages; killed in each and between them it ends with the same bits; its stages are what
# their verbs make alone; a stage that fails leaves the others; mistakes are found before anything is written.
. "$(dirname "$0")/lib.sh"
for ((i = 0; i < 40; i++)); do
  printf '{"messages":[{"role":"user","content":"%d+1?"},{"role":"assistant","reasoning_content":"%d","content":"%d"}]}\n' $i $i $((i + 1))
done >c.jsonl
cat >sft.toml <<END
[data]
train = ["c.jsonl"]
held_out_fraction = 0.2
[train]
steps = 6
sequence_length = 64
batch_size = 4
[sft]
chat_template = "r1"
[log]
sample_tokens = 0
save_every = 0.3
END
cat >grpo.toml <<END
[train]
steps = 4
sequence_length = 128
batch_size = 16
micro_batch_size = 8
lr = 1e-3
weight_decay = 0
[grpo]
tasks = ["chains:2-3"]
group = 4
max_new = 40
format_reward = 1
eval_problems = 6
[log]
save_every = 0.5
END
stage() { printf '\n[[stage]]\nname = "%s"\nkind = "%s"\n' "$1" "$2"; [ -z "${3:-}" ] || printf 'from = "%s"\n' "$3"; sed 's/^\[/[stage./'; }
{
  sed 's/^steps = .*/steps = 40/; s/^batch_size = .*/batch_size = 8/' <<<"$thinking_base" | stage base pretrain
  stage chats sft base <sft.toml | sed '/^kind/a about = "It learns to add one."'
  stage rl grpo chats <grpo.toml
  stage test eval rl <<<$'[eval]\ntasks = ["chains:2-3"]\nproblems = 8\nsamples = 2\nmax_new = 40\ntemperature = 1\ntop_p = 1'
} >p.toml
# Each of "state" in stages.json, in order.
states() { sed -n 's/.*"state": "\([a-z]*\)".*/\1/p' "$1/stages.json" | tr '\n' ' '; }

"$minke" pipeline p.toml --out a --cost-per-hour 100 >a.txt 2>&1 || fail "$(cat a.txt)"
[ "$(states a)" = "done done done done " ] || fail "states: $(states a)"
grep -q '^stages  *base  *pretrain .*40 steps, 41.0k tokens$' a.txt || fail "no word of what will be done: $(head -5 a.txt)"
grep -q '^ *rl  *grpo  *chats  *4 steps, 64 answers of at most 40 tokens$' a.txt || fail "$(head -5 a.txt)"
grep -q '^stage 3 of 4: rl, grpo from chats$' a.txt || fail "no word of the third stage: $(cat a.txt)"
grep -A1 '^stage 2 of 4: chats' a.txt | grep -q '^ *It learns to add one\.$' || fail "what a stage is about is not said: $(cat a.txt)"
grep -q '^results  *base  *pretrain .* nats per token, held out$' a.txt || fail "no results: $(tail -6 a.txt)"
grep -q '^ *rl  *grpo .* % right, before .* %$' a.txt || fail "no results of grpo: $(tail -6 a.txt)"
grep -q '^ *test  *eval .*pass@1: chain:2 .* %, chain:3 ' a.txt || fail "no results of the evaluation: $(tail -6 a.txt)"
grep -q '^table  *accuracy, %  *rl$' a.txt && grep -q '^ *chain:2  *[0-9.]* \[[0-9]*, [0-9]*\]$' a.txt || fail "no table of the stages: $(tail a.txt)"
grep -q '^ *cost, \$  *[0-9.]*$' a.txt || fail "the table does not say what a model cost: $(tail a.txt)"
grep -q '^done  *4 stages in ' a.txt || fail "$(tail -1 a.txt)"
cmp a/latest/model.safetensors a/rl/latest/model.safetensors || fail "latest is not the last model"
[ "$(wc -l <a/test/responses.jsonl)" = 32 ] && grep -q '"pass@1"' a/test/eval.json || fail "no evaluation: $(ls a/test)"
grep -q '<th>accuracy, %</th><th>rl</th>' a/report.html || fail "the page has no table of the models"
grep -q '<a href="base/report.html">base</a>' a/report.html || fail "the page has no link to the report of base"
"$minke" report a >out.txt && grep -q '^a/report.html' out.txt || fail "$(cat out.txt)"
if python=$(command -v python3); then
  "$python" - <<'END' || fail "stages.json: $(cat a/stages.json)"
import json
base, chats, rl, test = json.load(open("a/stages.json"))
assert [s["kind"] for s in (base, chats, rl, test)] == ["pretrain", "sft", "grpo", "eval"]
assert [s["from"] for s in (base, chats, rl, test)] == ["", "base", "chats", "rl"]
assert [s["model"] for s in (base, chats, rl, test)] == ["base/latest", "chats/latest", "rl/latest", ""]
for s in (base, chats, rl, test): assert 0 < s["started"] <= s["ended"] and s["seconds"] > 0
assert base["started"] <= chats["started"] <= rl["started"] <= test["started"]
last = lambda run, key: [json.loads(l)[key] for l in open(f"a/{run}/log.jsonl") if f'"{key}":' in l]
assert base["result"]["nats"] == last("base", "eval_nats_per_token")[-1] and base["result"]["steps"] == 40
assert chats["result"]["nats"] == last("chats", "eval_nats_per_token")[-1]
right = last("rl", "eval_right")
assert rl["result"]["right"] == right[-1] and rl["result"]["right_before"] == right[0]
assert json.loads([l for l in open("a/rl/log.jsonl") if '"eval_right":' in l][0])["step"] == 0
rows, figures = test["result"]["results"], json.load(open("a/test/eval.json"))["results"]
assert [r["level"] for r in rows] == [2, 3]
for row, figure in zip(rows, figures):
    assert figure.items() <= row.items()
    assert row["stage"] == "rl" and row["seconds"] == rl["seconds"]
    assert row["accuracy"] == figure["pass@1"] and row["well_formed"] == figure["format"]
    assert 0 <= row["single_language"] <= 1 and row["mean_tokens"] > 0 and len(row["ci95"]) == 2
END
fi

# The model that the pipeline is for, though others are made after it; the price.
{ echo 'result = "base"'; sed '/^name = "test"$/,$d' p.toml | sed '$d'; } >r.toml
"$minke" pipeline r.toml --out result --set base.train.steps=2 --set chats.train.steps=1 --set rl.train.steps=1 >out.txt 2>&1 || fail "$(cat out.txt)"
[ "$(readlink result/latest)" = base/latest ] && grep -q '^result = "base"$' result/pipeline.toml || fail "latest: $(readlink result/latest)"

# Over: said, and nothing is touched.
listing() { find "$1" -printf '%p %s %T@ %l\n' | sort; }
listing a >before.txt
"$minke" pipeline p.toml --out a --resume >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q 'all 4 stages of a are done' out.txt && grep -q '^ *rl  *grpo .* right, before' out.txt || fail "$(cat out.txt)"
listing a | diff before.txt - || fail "a pipeline that is over was changed"
mistake 'a already holds a pipeline: continue it with --resume' "$minke" pipeline p.toml --out a

# Killed in every stage and between them: the same bits.
same() {  # FOLDER FOLDER
  for run in base chats rl; do
    cmp "$1/$run/latest/model.safetensors" "$2/$run/latest/model.safetensors" || fail "$1 and $2: the model of $run differs"
    cmp "$1/$run/latest/train/state.safetensors" "$2/$run/latest/train/state.safetensors" || fail "$1 and $2: the state of $run differs"
  done
  cmp "$1/test/eval.json" "$2/test/eval.json" || fail "$1 and $2: other figures"
  cmp <(sort "$1/test/responses.jsonl") <(sort "$2/test/responses.jsonl") || fail "$1 and $2: other answers"
}
kills=0
for moment in '[ -e b/stages.json ]' '[ -e b/base/recipe.toml ]' 'grep -qs "\"step\":20," b/base/log.jsonl' '[ "$(states b)" = "done waiting waiting waiting " ]' \
  '[ -e b/chats/base ]' '[ -e b/chats/latest ]' '[ -e b/rl/recipe.toml ]' '[ -e b/rl/latest ]' '[ -e b/test ]' '[ -s b/test/responses.jsonl ]'; do
  "$minke" pipeline p.toml --out b --resume >b.txt 2>&1 & pid=$!
  until eval "$moment" 2>/dev/null; do kill -0 $pid 2>/dev/null || break; done
  kill -KILL $pid 2>/dev/null && kills=$((kills + 1))
  wait $pid 2>/dev/null || true
  ! grep -q '^minke: ' b.txt || fail "killed before, it does not go on: $(cat b.txt)"
done
"$minke" pipeline p.toml --out b --resume >b.txt 2>&1 || fail "$(cat b.txt)"
[ "$kills" -ge 6 ] || fail "only $kills of the kills met it"
same a b
nothing_left b
# Time that was spent before a kill counts.
[ -z "${python:-}" ] || "$python" - <<'END' || fail "stages.json: $(cat b/stages.json)"
import json
for s in json.load(open("b/stages.json")): assert s["seconds"] >= s["result"].get("train_seconds", 0), s
END

# Stopped: saved, said, 130; one process at a time; it goes on.
sed 's/^steps = 40$/steps = 1000000/' p.toml >long.toml
"$minke" pipeline long.toml --out c >c.txt 2>&1 & pid=$!
until grep -qs '"step":2,' c/base/log.jsonl; do kill -0 $pid || fail "$(cat c.txt)"; done
[ "$(states c)" = "running waiting waiting waiting " ] || fail "states: $(states c)"
mistake 'another process is using c' "$minke" pipeline long.toml --out c --resume
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 130 ] || fail "exit code $code instead of 130: $(cat c.txt)"
grep -q '^stopped  *in stage base of c; continue with --resume' c.txt || fail "$(tail -3 c.txt)"
[ "$(states c)" = "stopped waiting waiting waiting " ] || fail "states: $(states c)"
# What is asked for beside the stored pipeline is refused, or mentioned; a stage that has begun keeps its recipe.
mistake "base.train.lr is 0.005 in the stored recipe" "$minke" pipeline p.toml --out c --resume --set base.train.lr=0.5
reached=$(sed -n 's/.*"step": *\([0-9]*\).*/\1/p' c/base/latest/train/state.json | head -1)  # that depends on the machine
sed -i "s/^steps = 1000000$/steps = $((reached + 10))/" c/base/recipe.toml
sed -i 's/^tasks = \["chains:2-3"\]$/tasks = ["chains:2"]/' c/pipeline.toml
"$minke" pipeline long.toml --out c --resume >c.txt 2>&1 || fail "$(cat c.txt)"
grep -q '^note .*the recipe given here differs in rl.grpo.tasks, test.eval.tasks$' c.txt || fail "$(head -3 c.txt)"
grep -q '^note .*the stage keeps its stored recipe, c/base/recipe.toml; c/pipeline.toml differs in train.steps$' c.txt || fail "$(cat c.txt)"
[ "$(states c)" = "done done done done " ] || fail "states: $(states c)"  # other bits: its first steps were of a long warm-up
! cmp -s a/rl/latest/model.safetensors c/rl/latest/model.safetensors || fail "a change in pipeline.toml of a stage to come is ignored"

# Each stage is what its verb makes alone.
"$minke" sft sft.toml -m a/base/latest --out alone >out.txt 2>&1 || fail "$(cat out.txt)"
cmp a/chats/latest/model.safetensors alone/latest/model.safetensors || fail "minke sft makes another model"
"$minke" grpo grpo.toml -m a/chats/latest --out alone_rl >out.txt 2>&1 || fail "$(cat out.txt)"
cmp a/rl/latest/model.safetensors alone_rl/latest/model.safetensors || fail "minke grpo makes another model"
# The chat template goes with the model, and questions can be put by it.
cmp a/chats/latest/chat_template.jinja a/rl/latest/chat_template.jinja || fail "reinforcement learning loses the chat template"
"$minke" grpo grpo.toml -m a/rl/latest --out chat_rl --set grpo.prompt=chat-plain --set train.steps=1 >out.txt 2>&1 || fail "$(cat out.txt)"
grep '"prompt":' chat_rl/log.jsonl | grep -q '<｜User｜>Compute [^<]*\.<｜Assistant｜><think>' || fail "the question is not put by the template: $(grep prompt chat_rl/log.jsonl)"
"$minke" eval tasks -m a/rl/latest --task chains:2-3 -n 8 -k 2 --max-new 40 --temp 1 --top-p 1 --out f.json >out.txt 2>&1 || fail "$(cat out.txt)"
cmp <(sed -n '/"results"/,$p' f.json) <(sed -n '/"results"/,$p' a/test/eval.json) || fail "minke eval tasks has other figures"

# Every key of an evaluation counts.
stage test eval a/rl/latest <<<$'[eval]\ntasks = ["chains:2"]\nproblems = 6\nsamples = 2\nmax_new = 40\ntemperature = 1\ntop_p = 1' >e.toml
echo '{"question": "What is 2 + 3?", "answer": "2 + 3 = 5 #### 5"}' >sums.jsonl
answers() {
  "$minke" pipeline e.toml --out e "$@" >out.txt 2>&1 || fail "$*: $(cat out.txt)"
  sed 's/"settings".*//' e/test/responses.jsonl | sort
  rm -r e
}
answers >usual.txt
for set in 'tasks=["chains:3"]' 'jsonl=["sums.jsonl"]' problems=7 samples=3 max_new=5 temperature=2 top_p=0.1 \
  seed=5 test_seed=2; do
  answers --set "test.eval.$set" >set.txt
  ! cmp -s set.txt usual.txt || fail "eval.$set changes nothing"
done
mistake 'which leaves no room for an answer in a context of 128 tokens' "$minke" pipeline e.toml --out e --set 'test.eval.prompt="r1-zero"'  # a long one
rm -r e

# A stage that fails leaves what is done, and goes on once the cause is gone. A path as a beginning.
{ stage chats sft a/base/latest <sft.toml; stage more sft chats <sft.toml; } >f.toml
sed -i '0,/c.jsonl/! s/c.jsonl/later.jsonl/' f.toml
printf '{"messages":[{"role":"user","content":"x"}]}\n' >later.jsonl
mistake 'stage more: later.jsonl, line 1: nothing here is to be learned' "$minke" pipeline f.toml --out d
[ "$(states d)" = "done stopped " ] || fail "states: $(states d)"
grep -q '"error": "later.jsonl, line 1' d/stages.json || fail "$(cat d/stages.json)"
cmp a/chats/latest/model.safetensors d/latest/model.safetensors || fail "the stage before is lost"
cp c.jsonl later.jsonl
"$minke" pipeline f.toml --out d --resume >out.txt 2>&1 || fail "$(cat out.txt)"
[ "$(states d)" = "done done " ] && ! grep -q '"error"' d/stages.json || fail "$(cat d/stages.json)"
cmp d/latest/model.safetensors d/more/latest/model.safetensors || fail "latest is not the last model"
# Another kind under an old name.
sed -i 's/^kind = "sft"$/kind = "grpo"/' d/pipeline.toml
mistake 'cannot make another one of it' "$minke" pipeline d/pipeline.toml --out d --resume

# --- mistakes, before anything is written
bad() { local expected=$1; shift; mistake "$expected" "$minke" pipeline p.toml --out new "$@"; [ ! -e new ] || fail "something was left behind: $(ls new)"; }
bad 'there is no key train.lrr (did you mean train.lr?)' --set base.train.lrr=1
bad 'write it as STAGE.section.key=value' --set train.lr=1
line=$(sed -n '/^name = "chats"$/=' p.toml)
bad "p.toml:$((line - 1)): stage chats: sft: data.train: builtin: holds no conversations" --set 'chats.data.train=["builtin:"]'
bad 'stage rl: grpo: grpo.tasks names no task' --set rl.grpo.tasks=[]
bad 'stage rl: grpo: give train.steps' --set rl.train.steps=0
bad 'stage rl: train.sequence_length 256 is more than the 128 positions of the model of chats' --set rl.train.sequence_length=256
bad 'stage rl: grpo: model.hidden_size = 8 has no effect' --set rl.model.hidden_size=8
bad 'stage base: pretrain: grpo.group = 8 has no effect' --set base.grpo.group=8
bad 'stage base: nothing.txt' --set 'base.data.train=["nothing.txt"]'
bad 'stage test: eval: eval.samples 2 with eval.temperature 0' --set test.eval.temperature=0
bad 'stage test: eval: give eval.tasks' --set test.eval.tasks=[]
bad 'stage test: eval.tasks' --set 'test.eval.tasks=["riddles"]'
bad 'stage test: chain:2 is asked twice' --set 'test.eval.tasks=["chains:2","chains:2-3"]'
# A tokenizer of characters has no chat template; any other new one has.
sed '/^name = "chats"$/,/^name = "rl"$/{/^name = "rl"$/!d}; s/^from = "chats"$/from = "base"/' p.toml >no_chats.toml
characters=(--set base.tokenizer.kind=characters --set base.tokenizer.pretokenizer=automatic --set base.tokenizer.tags=[])
bad 'stage chats: the model of base has no chat template: set sft.chat_template' --set chats.sft.chat_template=model "${characters[@]}"
mistake 'stage test: eval.prompt = "chat", but the model of rl has no chat template' "$minke" pipeline no_chats.toml --out new --set test.eval.prompt=chat "${characters[@]}"
mistake 'stage rl: grpo.prompt = "chat-plain", but the model of base has no chat template' "$minke" pipeline no_chats.toml --out new --set rl.grpo.prompt=chat-plain "${characters[@]}"
sed 's/^kind = "eval"$/kind = "sample"/; s/^\[stage.eval\]$/[stage.sample]/' no_chats.toml >sampled.toml
mistake 'stage test: sample.prompt = "chat", but the model of rl has no chat template' "$minke" pipeline sampled.toml --out new --set test.sample.prompt=chat "${characters[@]}"
"$minke" pipeline no_chats.toml --out chat --set test.eval.prompt=chat --set base.train.steps=2 --set rl.train.steps=1 --set rl.train.sequence_length=128 --set test.eval.problems=1 >out.txt 2>&1 || fail "a new tokenizer has a chat template: $(cat out.txt)"
# Chats by a plain prompt, found at once; a question that is learned and tested on; a tokenizer of a stage.
bad 'stage rl: a chat that is to be answered is put by the model' --set 'rl.grpo.tasks=["chat"]' --set rl.grpo.judge=a/judge
bad 'stage test: a chat that is to be answered is put by the model' --set 'test.eval.tasks=["chat"]' --set test.eval.judge=a/judge
echo '{"question": "what is  2 + 3?", "answer": "5"}' >>c.jsonl
bad 'stage chats: it would learn from 1 question of stage test, which tests on sums.jsonl: sums.jsonl, problem 1 is also c.jsonl, line 41' --set 'test.eval.jsonl=["sums.jsonl"]'
sed -i '$d' c.jsonl
bad 'tokenizer.path = "stage:rl" must name an earlier stage that makes a model' --set base.tokenizer.path=stage:rl
echo "$thinking_base" >base.toml
mistake 'only a stage of minke pipeline can name another stage' "$minke" pretrain base.toml --set tokenizer.path=stage:base --out new
sed '1i result = "none"' p.toml >result.toml
mistake 'result.toml:1: result = "none" is no stage that makes a model' "$minke" pipeline result.toml --out new
bad 'stage test: eval: train.lr = 0.5 has no effect' --set test.train.lr=0.5
bad 'stage test: cannot open none.jsonl' --set 'test.eval.jsonl=["none.jsonl"]'
stage rl grpo no/model <grpo.toml >bad.toml
mistake 'stage rl: cannot open no/model' "$minke" pipeline bad.toml --out new
: >empty.toml
mistake 'there is no [[stage]]' "$minke" pipeline empty.toml --out new
mistake "tables are a pipeline's: minke pipeline runs" "$minke" pretrain p.toml --out new
mistake ' already exists and was not written by a pipeline' "$minke" pipeline p.toml --out alone
mkdir other && mkdir other/rl
mistake 'other/rl already exists' "$minke" pipeline p.toml --out other
mistake 'folder of a pipeline' "$minke" report a --svg loss
[ ! -e new ] || fail "something was left behind: $(ls new)"
echo ok
