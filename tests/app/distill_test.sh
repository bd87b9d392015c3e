#!/usr/bin/env bash
# minke distill, as a user goes: what the teacher answers rightly becomes the student's data: the same bits as minke sample and minke sft,
# also after kills; mistakes.
. "$(dirname "$0")/lib.sh"
echo "$thinking_base" >base.toml
"$minke" pretrain base.toml --out teacher >out.txt 2>&1 || fail "$(cat out.txt)"
"$minke" pretrain base.toml --out small --set train.seed=2 --set train.steps=2 >out.txt 2>&1 || fail "$(cat out.txt)"
distill=("$minke" distill -m small/latest --teacher teacher/latest --task chains:2 --task arithmetic:1 -n 60 -k 8 --prompt brief
  --set teach.sample.temperature=0.7 --set teach.sample.top_p=1.0 --set teach.sample.max_new=60 --set student.train.sequence_length=128
  --set student.train.batch_size=2 --set student.sft.chat_template=r1 --set student.sft.epochs=1 --set student.log.sample_tokens=0)

"${distill[@]}" --out a >a.txt 2>&1 || fail "$(cat a.txt)"
grep -q '^stages  *teach  *sample  *teacher/latest  *chains:2, arithmetic:1, 8 answers to a problem$' a.txt || fail "$(head -5 a.txt)"
grep -A1 '^stage 2 of 2: student, sft from small/latest$' a.txt | grep -q 'The student learns to write what the teacher wrote' || fail "$(cat a.txt)"
grep -q '^results  *teach  *sample .* of 960 answers kept' a.txt || fail "$(tail -5 a.txt)"
cmp a/latest/model.safetensors a/student/latest/model.safetensors || fail "latest is not the student"
! cmp -s a/latest/model.safetensors small/latest/model.safetensors || fail "the student has learned nothing"

# What the two verbs make.
"$minke" sample -m teacher/latest --task chains:2 --task arithmetic:1 -n 60 -k 8 --temp 0.7 --top-p 1 --max-new 60 --out s.jsonl >out.txt 2>&1 || fail "$(cat out.txt)"
cmp s.jsonl a/teach/samples.jsonl || fail "minke sample keeps other answers"
"$minke" sft s.jsonl -m small/latest --out alone --set train.sequence_length=128 --set train.batch_size=2 --set sft.chat_template=r1 --set sft.epochs=1 --set log.sample_tokens=0 >out.txt 2>&1 || fail "$(cat out.txt)"
cmp a/latest/model.safetensors alone/latest/model.safetensors || fail "minke sft makes another student"

# Killed and resumed.
for moment in '[ -s b/teach/responses.jsonl ]' '[ -e b/student/latest ]'; do
  "${distill[@]}" --out b --resume >b.txt 2>&1 & pid=$!
  until eval "$moment" 2>/dev/null; do kill -0 $pid 2>/dev/null || break; done
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
done
"${distill[@]}" --out b --resume >b.txt 2>&1 || fail "$(cat b.txt)"
cmp a/latest/model.safetensors b/latest/model.safetensors || fail "killed and resumed: another student"

bad() { local expected=$1; shift; mistake "$expected" "$minke" distill "$@" --out new; [ ! -e new ] || fail "something was left behind: $(ls new)"; }
bad 'give --task NAME, such as --task chains:2-3, or --jsonl FILE' -m small/latest --teacher teacher/latest
bad '--teacher' -m small/latest --task chains:2
bad '--task riddles: there is no task "riddles"' -m small/latest --teacher teacher/latest --task riddles
bad '--task chat: no rule grades answers to chats: name a reward model with --set teach.sample.judge=' -m small/latest --teacher teacher/latest --task chat
bad 'cannot open nobody/latest' -m small/latest --teacher nobody/latest --task chains:2
bad 'write it as STAGE.section.key=value, the stages being teach, student' -m small/latest --teacher teacher/latest --task chains:2 --set train.lr=1
mistake 'a already holds a pipeline' "${distill[@]}" --out a
echo ok
