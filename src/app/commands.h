// One function per verb, each in cmd_<verb>.cpp: flags → config struct → call. main.cpp lists them.
#pragma once

namespace CLI {
class App;
}

namespace minke {

// Each adds its subcommand to the program and runs it from the subcommand's callback.
void add_tokenizer_command(CLI::App& program);
void add_template_command(CLI::App& program);
void add_corpus_command(CLI::App& program);
void add_corpus_tasks(CLI::App& corpus);  // these stand below corpus
void add_corpus_chats(CLI::App& corpus);
void add_inspect_command(CLI::App& program);
void add_score_command(CLI::App& program);
void add_pretrain_command(CLI::App& program);
void add_sft_command(CLI::App& program);
void add_reward_model_command(CLI::App& program);
void add_grpo_command(CLI::App& program);
void add_ppo_command(CLI::App& program);
void add_sample_command(CLI::App& program);
void add_distill_command(CLI::App& program);
void add_pipeline_command(CLI::App& program);
void add_generate_command(CLI::App& program);
void add_chat_command(CLI::App& program);
void add_serve_command(CLI::App& program);
void add_convert_command(CLI::App& program);
void add_init_command(CLI::App& program);
void add_eval_command(CLI::App& program);
void add_eval_tasks(CLI::App& eval);  // stands below eval
void add_eval_compare(CLI::App& eval);
void add_grade_command(CLI::App& program);
void add_report_command(CLI::App& program);
void add_doctor_command(CLI::App& program);
void add_bench_command(CLI::App& program);
void add_bench_infer(CLI::App& bench);  // these stand below bench
void add_bench_cache(CLI::App& bench);

}  // namespace minke
