// What the page says, in English and Chinese.

const english = {
  skip: 'Skip to the question', conversations: 'Conversations', conversation: 'Conversation', new: 'New conversation', close: 'Close', views: 'Views',
  chat: 'Chat', training: 'Training', language: 'Language', theme: 'Light or dark', auto: 'System', light: 'Light', dark: 'Dark',
  settings: 'Settings', toEnd: 'To the latest', question: 'Ask something', hint: 'Enter sends · Shift+Enter: a new line · Esc stops',
  send: 'Send', stop: 'Stop', you: 'You', model: 'Model', copy: 'Copy', copied: 'Copied', notCopied: 'The browser refuses', code: 'code',
  copyCode: 'Copy the code', copyAnswer: 'Copy this message', again: 'Answer again', edit: 'Edit', before: 'The one before', next: 'The next one',
  save: 'Send', cancel: 'Cancel', editing: 'Edit your question', untitled: 'Untitled', more: 'More about “{0}”', rename: 'Rename',
  exportText: 'Export as Markdown', exportData: 'Export as JSON', remove: 'Delete', removeAsk: 'Delete “{0}”? It cannot be brought back.',
  renameAsk: 'What shall it be called?', none: 'Nothing asked yet.', kept: 'Kept in this browser, and nowhere else.',
  notKept: 'This browser keeps nothing here: conversations end with this page.',
  full: 'There is no room to keep this conversation. Export or delete some.', branch: '{0} of {1}',
  thinking: 'Thinking… {0} s', thought: 'Thought for {0} s, {1} tokens', waiting: 'Waiting for the model…', thoughtCut: 'Thought for {0} s',
  speed: '{0} tokens/s', tokens: '{0} tokens', prompt: 'prompt {0}', promptCached: 'prompt {0}, {1} of it cached', first: '{0} s to the first',
  length: 'Cut off: there was no room for more.', stopped: 'Stopped.', interrupted: 'Interrupted: the page was closed before the end.',
  empty: 'The model gave no answer.', done: 'Answer: {0}', failed: 'The server refused this ({0}).', busy: 'The server is busy.',
  noServer: 'The server does not answer. Is minke serve still running?', cutOff: 'The connection broke before the end.', retry: 'Try again',
  keyTitle: 'This server asks for a key', keyWhy: 'It is kept until this tab is closed.', key: 'API key', keyUse: 'Use it', keyWrong: 'That is not the key.',
  loading: 'loading the model…', gone: 'no server', context: '{0}, {1} tokens of context', welcome: 'What would you like to know?',
  system: 'System prompt', systemHelp: 'What the model is told before anything else.', temperature: 'Temperature', top_p: 'Top p', top_k: 'Top k',
  min_p: 'Min p', repetition_penalty: 'Repetition penalty', max_tokens: 'Longest answer, tokens', reasoning_budget: 'Longest thought, tokens', seed: 'Seed',
  think: 'Think first', byModel: 'As the model does', yes: 'Yes', no: 'No', usual: 'usual: {0}', usualNone: 'no limit', usualSeed: 'drawn',
  settingsHelp: 'They are of this conversation, and of those begun after it. What is left empty is as the server has it.', reset: 'All as usual',
  noRuns: 'No training is shown. Start the server with --run and the folder of a run or of a pipeline:', runs: 'Runs',
  waitingRun: 'No step has been logged yet.', step: 'Step', of: '{0} of {1}', state_running: 'going on', state_done: 'done', state_stopped: 'stopped',
  state_waiting: 'waiting', figure_loss: 'Training loss', figure_held_out: 'Held-out nats per token', figure_right: 'Right answers',
  figure_reward: 'Reward', figure_length: 'Tokens an answer', figure_pairs: 'Right pairs', figure_max_vio: 'Load: max over mean − 1',
  figure_tokens_per_second: 'Tokens per second', time: 'Time of training', seen: 'Tokens trained on', chart_right: 'Right answers',
  chart_reward: 'Reward', chart_length: 'Length of the answers', chart_loss: 'Loss', updated: 'Updated {0}.',
  example1: 'How many primes are below 20?', example2: 'Compute (12+7)*3-8.', example3: 'Make 54 from 3 7 25.',
};

const chinese = {
  skip: '跳到输入框', conversations: '对话', conversation: '对话内容', new: '新对话', close: '关闭', views: '视图',
  chat: '聊天', training: '训练', language: '语言', theme: '浅色或深色', auto: '跟随系统', light: '浅色', dark: '深色',
  settings: '设置', toEnd: '到最新消息', question: '问点什么', hint: 'Enter 发送 · Shift+Enter 换行 · Esc 停止',
  send: '发送', stop: '停止', you: '你', model: '模型', copy: '复制', copied: '已复制', notCopied: '浏览器不允许', code: '代码',
  copyCode: '复制代码', copyAnswer: '复制这条消息', again: '重新回答', edit: '编辑', before: '上一个', next: '下一个',
  save: '发送', cancel: '取消', editing: '编辑你的问题', untitled: '无标题', more: '“{0}”的更多操作', rename: '重命名',
  exportText: '导出为 Markdown', exportData: '导出为 JSON', remove: '删除', removeAsk: '删除“{0}”？删除后无法恢复。',
  renameAsk: '新的名称是？', none: '还没有对话。', kept: '只保存在这个浏览器里。',
  notKept: '这个浏览器不保存数据：关闭页面后对话就没有了。',
  full: '没有空间保存这个对话。请导出或删除一些对话。', branch: '第 {0} 个，共 {1} 个',
  thinking: '思考中… {0} 秒', thought: '思考了 {0} 秒，{1} 个词元', waiting: '等待模型…', thoughtCut: '思考了 {0} 秒',
  speed: '每秒 {0} 个词元', tokens: '{0} 个词元', prompt: '提示 {0}', promptCached: '提示 {0}，其中 {1} 来自缓存', first: '{0} 秒后开始',
  length: '回答被截断：没有更多空间。', stopped: '已停止。', interrupted: '已中断：页面在结束前被关闭。',
  empty: '模型没有给出回答。', done: '回答：{0}', failed: '服务器拒绝了请求（{0}）。', busy: '服务器正忙。',
  noServer: '服务器没有响应。minke serve 还在运行吗？', cutOff: '连接在结束前断开。', retry: '重试',
  keyTitle: '服务器需要密钥', keyWhy: '密钥只保留到关闭这个标签页。', key: 'API 密钥', keyUse: '使用', keyWrong: '密钥不正确。',
  loading: '正在加载模型…', gone: '没有服务器', context: '{0}，上下文 {1} 个词元', welcome: '你想知道什么？',
  system: '系统提示', systemHelp: '在一切之前告诉模型的话。', temperature: '温度', top_p: 'Top p', top_k: 'Top k',
  min_p: 'Min p', repetition_penalty: '重复惩罚', max_tokens: '回答最多词元数', reasoning_budget: '思考最多词元数', seed: '随机种子',
  think: '先思考', byModel: '由模型决定', yes: '是', no: '否', usual: '默认 {0}', usualNone: '不限', usualSeed: '随机',
  settingsHelp: '适用于这个对话和之后新建的对话。留空则使用服务器的默认值。', reset: '全部恢复默认',
  noRuns: '没有可显示的训练。启动服务器时用 --run 指定一次训练或一个流水线的文件夹：', runs: '训练',
  waitingRun: '还没有记录任何一步。', step: '步数', of: '{0} / {1}', state_running: '进行中', state_done: '完成', state_stopped: '已停止',
  state_waiting: '等待中', figure_loss: '训练损失', figure_held_out: '留出集 nats/词元', figure_right: '正确率',
  figure_reward: '奖励', figure_length: '每个回答的词元数', figure_pairs: '正确的配对', figure_max_vio: '负载：最大 ÷ 平均 − 1',
  figure_tokens_per_second: '每秒词元数', time: '训练时间', seen: '已训练词元数', chart_right: '正确率',
  chart_reward: '奖励', chart_length: '回答长度', chart_loss: '损失', updated: '更新于 {0}。',
  example1: '20 以下有多少个质数？', example2: 'Compute (12+7)*3-8.', example3: 'Make 54 from 3 7 25.',
};

const languages = {en: english, zh: chinese};
let current = 'en';

export const languageOf = tag => tag?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
export const language = () => current;
export function setLanguage(name) { current = Object.hasOwn(languages, name) ? name : 'en'; }

// A text by its name, with {0}, {1} … filled in.
export function t(name, ...values) {
  const text = languages[current][name] ?? english[name] ?? name;
  return text.replace(/\{(\d)\}/g, (_, i) => String(values[Number(i)] ?? ''));
}

export const hasText = name => Object.hasOwn(english, name);
export const allTexts = () => languages;

// The texts of index.html.
export function translate(root = document) {
  document.documentElement.lang = current === 'zh' ? 'zh-Hans' : 'en';
  for (const e of root.querySelectorAll('[data-t]')) e.textContent = t(e.dataset.t);
  for (const e of root.querySelectorAll('[data-t-label]')) {
    e.setAttribute('aria-label', t(e.dataset.tLabel));
    if (e.tagName === 'BUTTON') e.title = t(e.dataset.tLabel);
  }
  for (const e of root.querySelectorAll('[data-t-placeholder]')) e.placeholder = t(e.dataset.tPlaceholder);
}
