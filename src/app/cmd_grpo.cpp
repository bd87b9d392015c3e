// minke grpo: flags → recipe → rl/grpo_stage.h.
#include "app/commands.h"
#include "app/rl_command.h"
#include "rl/grpo_stage.h"

namespace minke {

void add_grpo_command(CLI::App& program) {
  add_rl_command(program, RecipeOf::grpo, grpo, "Reinforcement learning: rewards by rule, groups of answers (GRPO)");
}

}  // namespace minke
