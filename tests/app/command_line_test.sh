#!/usr/bin/env bash
# Mistakes on the command line: a name that does not exist is answered with the nearest, what is missing with a line that
# works; one message, exit code 2.
. "$(dirname "$0")/lib.sh"

code=0
$minke >out.txt 2>err.txt || code=$?
[ $code = 2 ] || fail "minke alone ends with $code"
for verb in pretrain report generate chat eval grade inspect score tokenizer template corpus doctor bench init; do
  grep -qE "^  $verb " out.txt || fail "minke alone does not list $verb: $(cat out.txt)"
done
grep -q '^Train a model:$' out.txt || fail "the verbs are not grouped: $(cat out.txt)"
diff <($minke pretrain --help) <($minke help pretrain) || fail "minke help pretrain"
$minke help >help.txt && grep -q Usage help.txt || fail "minke help"

# one_line EXPECTED COMMAND…: a mistake whose message is one line.
one_line() {
  mistake "$@"
  [ "$(wc -l <err.txt)" = 1 ] || fail "not one line: ${*:2}: $(cat err.txt)"
}
one_line 'there is no verb "pretrian"; did you mean minke pretrain?' $minke pretrian runs/stories.toml
one_line 'did you mean minke tokenizer?' $minke tokeniser
one_line 'there is no verb "zzzzzzzz"; the verbs are pretrain, sft, reward-model, grpo, ppo, sample, distill, pipeline, report' $minke zzzzzzzz
one_line 'there is no verb "bench nothing"; the verbs of bench are machine, gemm, attention' $minke bench nothing
one_line 'did you mean minke tokenizer train?' $minke tokenizer tarin
one_line 'did you mean minke eval text?' $minke eval txet -m x
one_line 'tokenizer needs a verb after it: train, encode, decode or inspect. For example: minke tokenizer train' $minke tokenizer
one_line 'eval needs a verb after it: text, choices, needle, tasks or compare. For example: minke eval text -m' $minke eval
one_line 'bench needs a verb after it: ' $minke bench
one_line 'eval needs a verb after it: text, choices, needle, tasks or compare' $minke eval -m x
one_line 'pretrain: there is no flag --stpes; did you mean --set?' $minke pretrain --stpes 3
one_line 'generate: there is no flag --promt; did you mean --prompt?' $minke generate -m x --promt=hi
one_line 'there is no flag --verison; did you mean --version?' $minke --verison
one_line 'comes before the verb, but flags come after it: minke corpus --seed' $minke --seed 3 corpus
one_line '"more" is one argument too many' $minke generate -m x more
one_line 'nan is not a finite number' $minke pretrain x.toml --minutes nan
one_line 'nan is not a finite number' $minke generate -m x --temp nan
one_line 'nan is not a finite number' $minke bench machine --seconds nan
one_line 'nan is not a finite number' $minke score -m x --tokens y --out z --mtp-weight nan
one_line 'generate: there is no flag --modle; did you mean --model?' $minke generate --modle x -p hi
one_line 'eval text: there is no flag --modl; did you mean --model?' $minke eval text --modl x y.txt
one_line 'generate: -m,--model is missing (Checkpoint: a Hugging Face folder or a GGUF file). For example: minke generate -m' $minke generate
one_line 'tokenizer train: --out is missing' $minke tokenizer train x.txt
one_line 'files is missing' $minke eval text -m x
one_line 'For example: minke pretrain runs/stories.toml' $minke pretrain
one_line 'For example: minke inspect -m' $minke inspect
one_line 'For example: minke report' $minke report
one_line 'For example: minke score' $minke score
one_line '--out needs a value (' $minke corpus --out
one_line '--seed was given 2 times; give it once' $minke corpus --seed 1 --seed 2
one_line '--seed x: a whole number of at least 0 is needed' $minke corpus --seed x
one_line '--seed' $minke corpus --seed -1
one_line '--seed' $minke generate -m x --seed=-1
for number in 18446744073709551616 99999999999999999999999; do
  one_line "--seed: $number does not fit into 64 bits; the nearest number that does is 18446744073709551615" $minke corpus --seed $number
done
one_line '--top-k: 9223372036854775808 does not fit' $minke generate -m x --top-k 9223372036854775808
one_line '--n-predict: Value 9223372036854775808 not in range' $minke generate -m x -n 9223372036854775808
$minke corpus --bytes 1k --seed 18446744073709551615 >/dev/null || fail "the largest seed"
one_line '--n-predict: Value 0 not in range 1 to' $minke generate -m x -n 0
one_line '--temp hot: a number is needed' $minke generate -m x --temp hot
one_line '--threads' $minke bench machine --threads 5000
one_line '--kind' $minke tokenizer train x.txt --out t --kind bytes
for verb in "report x" "corpus" "tokenizer train x.txt" "tokenizer encode -t x hi" "eval text -m x y" "pretrain x.toml"; do
  one_line '--out: the name is empty' $minke $verb --out ""
  one_line '--out: - is no file: standard output is /dev/stdout' $minke $verb --out -
done
one_line '--json: - is no file' $minke bench machine --json -
for flag in --counts --sometimes --responses; do
  one_line "$flag: - is no file" $minke sample -m x --task chain:2 --out x.jsonl $flag -
done
mkdir -p run/latest && echo '{}' >run/latest/config.json
for verb in "generate -m run" "inspect -m run" "eval text x.txt -m run" "tokenizer encode -t run hi" "score --tokens x --out y -m run"; do
  one_line 'run is the folder of a run: give one of its checkpoints, such as run/latest' $minke $verb
done
one_line 'cannot write none/ids: there is no folder none' $minke tokenizer encode -t "$source/tests/golden/tokenizer-deepseek-v3" hi --out none/ids
$minke corpus --bytes 2k --out CORPUS.JSONL >/dev/null
head -1 CORPUS.JSONL | grep -q '^{"text":' || fail "CORPUS.JSONL is not JSON Lines"
one_line '--dtype: fp16 not in {bf16,f32}' $minke generate -m x --dtype fp16
one_line '--x: hour not in {step,logstep,token,minute}' $minke report x --x hour

# The example in each verb's help begins with that verb.
for verb in pretrain sample distill report generate chat inspect score corpus doctor "eval text" "eval choices" "eval needle" "eval tasks" "tokenizer train" \
  "template render" "tokenizer encode" "tokenizer decode" "tokenizer inspect" "bench machine" "bench train" \
  "bench infer" init; do
  $minke $verb --help | grep "^Example: minke $verb" >/dev/null || fail "no example in the help of $verb"
done
