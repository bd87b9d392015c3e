#!/usr/bin/env bash
# A reward model as a judge, as a user goes: a pipeline that makes one from built-in pairs and asks it in sampling, in reinforcement
# learning and in evaluation, killed and resumed; bits per byte of good answers, also of the base; the verbs give the same; mistakes.
. "$(dirname "$0")/lib.sh"
stage() { printf '\n[[stage]]\nname = "%s"\nkind = "%s"\n' "$1" "$2"; [ -z "${3:-}" ] || printf 'from = "%s"\n' "$3"; sed 's/^\[/[stage./'; }
{
  sed 's/builtin:facts,chains/builtin:facts,chat*0.5/; s/^steps = .*/steps = 60/; s/^sequence_length = .*/sequence_length = 128/' <<<"$thinking_base" | stage base pretrain
  stage chatter sft base <<<$'[data]\ntrain = ["builtin:chats:en*60"]\n[train]\nsteps = 8\nsequence_length = 128\nbatch_size = 4\n[log]\nsample_tokens = 0\n[sft]\nchat_template = "v3"'
  stage judge reward-model chatter <<<$'[data]\ntrain = ["builtin:pairs:en*80"]\n[train]\nsteps = 6\nsequence_length = 128\nbatch_size = 8'
  stage chats sample chatter <<<$'[sample]\ntasks = ["chat"]\nproblems = 12\nsamples = 2\nmax_new = 40\ntemperature = 1\nprompt = "chat-plain"\njudge = "stage:judge"\nany_format = true\nlanguage_share = 0.0'
  stage rl grpo chatter <<<$'[train]\nsteps = 2\nsequence_length = 128\nbatch_size = 16\nweight_decay = 0\n[grpo]\ntasks = ["chat", "chains:2"]\nprompt = "chat-plain"\ngroup = 4\nmax_new = 40\neval_problems = 4\ntruncated = "score"\njudge = "stage:judge"'
  stage test eval rl <<<$'[eval]\ntasks = ["chat", "chains:2"]\nproblems = 6\nsamples = 2\nmax_new = 40\ntemperature = 1\ntop_p = 1\nprompt = "chat-plain"\njudge = "stage:judge"'
  stage bits eval base <<<$'[eval]\ntasks = ["chat", "chat_zh"]\nproblems = 5\nsamples = 0'
} >p.toml
run() { "$minke" pipeline p.toml "$@" >out.txt 2>&1; }
# A model of so few steps may say nothing that the judge likes; then the pipeline says so and stops there.
if ! run --out a; then
  grep -q 'stage chats: no answer is worth learning' out.txt || fail "$(cat out.txt)"
  sed -i '/^name = "chats"$/,/^name = "rl"$/{/^name = "rl"$/!d}' p.toml
  rm -r a
  run --out a || fail "$(cat out.txt)"
fi
grep -q '^ *judge  *reward-model .* % of [0-9]* pairs right, before 50.0 %' out.txt || fail "no word of the judge: $(grep -A9 "^results" out.txt)"
grep -q 'rewards/preference/mean' a/rl/log.jsonl || fail "no preferences in the log"
[ "$(grep -c '"preference":' a/test/responses.jsonl)" = 12 ] || fail "not every chat is judged, or a sum is: $(cat a/test/responses.jsonl)"
! grep '"task":"chain"' a/test/responses.jsonl | grep -q '"preference"' || fail "a rule's task is judged"
grep -q '"preference_ci95"' a/test/eval.json || fail "$(cat a/test/eval.json)"

# The base, which has no chat template, and the last model side by side.
grep -q '^ *bits  *eval .* chat:1 [0-9.]* bits per byte, chat_zh:1 [0-9.]* bits per byte$' out.txt || fail "no bits of the base: $(grep -A9 "^results" out.txt)"
table=$(sed -n '/^table/,$p' out.txt)
for line in '^table  *accuracy, %  *rl  *base$' '^ *chat:1, by the reward model  *[0-9.]* \[[0-9]*, [0-9]*\]  *–$' "^ *chat, reward model's mean  *0\.[0-9]*  *–$" \
  '^ *chat, bits per byte  *[0-9.]*  *[0-9.]*$' '^ *chat_zh, bits per byte  *–  *[0-9.]*$'; do
  grep -q "$line" <<<"$table" || fail "the table lacks $line: $table"
done
[ "$(sed -n '/"results"/,$p' a/stages.json | grep -c '"bits_per_byte": [0-9]')" = 3 ] || fail "$(cat a/stages.json)"
grep -q '<td>chat, bits per byte</td><td>[0-9.]*</td><td>[0-9.]*</td>' a/report.html || fail "the page has no bits per byte"
[ "$(ls a/bits)" = eval.json ] || fail "answers where none are asked for: $(ls a/bits)"

# What the judge takes of memory is named, in a run and beside an engine.
grep -q '^memory .* parameters + .* KiB judge\|^memory .* parameters + .* MiB judge' out.txt || fail "no judge in the memory of grpo: $(grep ^memory out.txt)"
! grep '^memory ' out.txt | grep -q critic || fail "a critic without PPO: $(grep ^memory out.txt)"

# Killed while it asks the judge, moved, and resumed: the same.
b=b
for moment in '[ -e $b/rl/latest ]' '[ -s $b/test/responses.jsonl ]'; do
  "$minke" pipeline p.toml --out $b --resume >b.txt 2>&1 & pid=$!
  until eval "$moment" 2>/dev/null; do kill -0 $pid 2>/dev/null || break; done
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  mv $b moved_$b
  b=moved_$b
done
run --out $b --resume || fail "$(cat out.txt)"
cmp a/rl/latest/model.safetensors $b/rl/latest/model.safetensors || fail "killed, moved and resumed: another model"
cmp a/test/eval.json $b/test/eval.json || fail "killed, moved and resumed: other figures"

# The verb asks the same judge.
"$minke" eval tasks -m a/rl/latest --task chat --task chains:2 -n 6 -k 2 --max-new 40 --temp 1 --top-p 1 --prompt chat-plain --judge a/judge/latest --out f.json >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^memory .* buffers and scratch + .* good answers + .* judge = ' out.txt || fail "no judge in the memory: $(cat out.txt)"
cmp <(sed -n '/"results"/,$p' f.json) <(sed -n '/"results"/,$p' a/test/eval.json) || fail "minke eval tasks has other figures"
grep -q "^chat:1: 6 problems, .* the judge's mean 0\.[0-9]*, " out.txt || fail "$(cat out.txt)"

"$minke" eval tasks -m a/base/latest --task chat --task chat_zh -n 5 -k 0 --out f.json >out.txt 2>err.txt || fail "$(cat err.txt)"
cmp <(sed -n '/"results"/,$p' f.json) <(sed -n '/"results"/,$p' a/bits/eval.json) || fail "minke eval tasks has other bits per byte"
grep -q '^chat_zh:1: 5 problems, good answers [0-9.]* bits per byte$' out.txt || fail "$(cat out.txt)"
grep -q '^memory .* buffers and scratch + .* good answers = ' err.txt || fail "the memory of good answers is not said: $(cat err.txt)"

mistake '--task: no rule grades answers to chats: name a reward model with --judge' "$minke" eval tasks -m a/rl/latest --task chat
mistake '--judge has no effect: --task has no chats' "$minke" eval tasks -m a/rl/latest --task chains:2 --judge a/judge/latest
# A judge that cannot judge is found before a model is loaded.
cp -rL a/judge/latest mute
rm mute/chat_template.jinja 2>/dev/null || true
sed -i 's/"chat_template"/"no_template"/' mute/tokenizer_config.json
chat=("$minke" eval tasks -m a/rl/latest --task chat -n 2 --prompt chat-plain)
for judge in mute 'stage:judge' a/judge missing; do
  case $judge in
    mute) expected='--judge: mute has no chat template, which a reward model reads texts by' ;;
    stage:*) expected='--judge stage:judge: only a stage of minke pipeline can name another stage' ;;
    a/judge) expected='--judge a/judge is the folder of a run: its reward model is a/judge/latest' ;;
    missing) expected='--judge: cannot open missing' ;;
  esac
  mistake "$expected" "${chat[@]}" --judge $judge
  ! grep -q '^memory' err.txt || fail "the model is loaded before the judge's mistake is found: $(cat err.txt)"
done
echo '{"question": "What is 2 + 3?", "answer": "2 + 3 = 5 #### 5"}' >sums.jsonl
"$minke" corpus tasks --task chat -n 3 --out chats.jsonl >/dev/null
mistake '--jsonl: no rule grades answers to chats: name a reward model with --judge' "$minke" eval tasks -m a/rl/latest --task chains:2 --jsonl chats.jsonl --prompt chat-plain
mistake '--judge has no effect: --jsonl has no chats' "$minke" eval tasks -m a/rl/latest --jsonl sums.jsonl --judge a/judge/latest
mistake '--task chat:fr: chats have one level, 1, and their language is in their name' "$minke" eval tasks -m a/rl/latest --task chat:fr
grep '"task":"chat"' a/test/responses.jsonl >said.jsonl
mistake 'said.jsonl, line 1: an answer to a chat, which no rule grades' "$minke" grade --kind math --jsonl said.jsonl --out new
mistake 'a/rl/latest is no reward model' "$minke" eval tasks -m a/rl/latest --task chat --judge a/rl/latest
mistake 'is a reward model' "$minke" generate -m a/judge/latest -p hi
bad() { local expected=$1; shift; mistake "$expected" "$minke" pipeline p.toml --out new "$@"; [ ! -e new ] || fail "something was left behind: $(ls new)"; }
bad 'judge = "stage:chatter" must name an earlier stage of kind "reward-model"' --set rl.grpo.judge=stage:chatter
bad 'stage rl: grpo.tasks: no rule grades answers to chats: name a reward model with grpo.judge' --set rl.grpo.judge=
bad 'stage test: eval.judge has no effect' --set 'test.eval.tasks=["chains:2"]'
bad 'no reward model' --set rl.grpo.judge=a/rl/latest
bad 'stage rl: judge: mute has no chat template' --set rl.grpo.judge=mute
bad 'stage test: judge a/judge is the folder of a run' --set test.eval.judge=a/judge
bad 'stage judge: data.train: stage:chats: only a stage of kind "sft" learns from what another has kept' --set 'judge.data.train=["stage:chats"]'
bad '--set rl.about=x: about of a stage is changed in the file alone' --set rl.about=x
bad 'stage judge: reward-model: data.train: builtin:chats holds no pairs' --set 'judge.data.train=["builtin:chats"]'
echo ok
