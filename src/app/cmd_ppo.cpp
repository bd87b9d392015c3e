// minke ppo: flags → recipe → rl/ppo_stage.h.
#include "app/commands.h"
#include "app/rl_command.h"
#include "rl/ppo_stage.h"

namespace minke {

void add_ppo_command(CLI::App& program) {
  add_rl_command(program, RecipeOf::ppo, ppo, "The same with a critic instead of groups (PPO), to compare with");
}

}  // namespace minke
