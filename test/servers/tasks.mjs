// A backend with tasks (MCP 2025-11-25): `work` makes one, `t/1`, `t/2`, …, and `finish` ends it.
//   node tasks.mjs
import { RpcError, serve, text } from './serve.mjs';

const RELATED = 'io.modelcontextprotocol/related-task';
const inputSchema = { type: 'object' };
/** By id, with what its `tasks/result` waits for. */
const tasks = new Map();

function find(taskId) {
  const task = tasks.get(taskId);
  if (!task) throw new RpcError(-32602, `No task ${taskId}`);
  return task;
}

const shown = ({ taskId, status }) => ({ taskId, status, createdAt: '2026-01-01T00:00:00Z', ttl: null });

serve({
  name: 'tasks',
  capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
  tools: [
    { name: 'work', inputSchema, execution: { taskSupport: 'required' }, run: begin },
    {
      name: 'finish',
      inputSchema,
      run({ taskId }, { session }) {
        const task = find(taskId);
        task.status = 'completed';
        task.progress(1);
        session.notify('notifications/tasks/status', shown(task));
        task.resolve({ ...text(`${taskId} is done`), _meta: { [RELATED]: { taskId } } });
        return text('finished');
      },
    },
  ],
  methods: {
    'tasks/get': ({ taskId }) => shown(find(taskId)),
    'tasks/result': ({ taskId }) => find(taskId).result,
    'tasks/list': () => ({ tasks: Array.from(tasks.values(), shown) }),
    'tasks/cancel'({ taskId }) {
      const task = find(taskId);
      task.status = 'cancelled';
      return shown(task);
    },
  },
});

function begin(_, { progress }) {
  const taskId = `t/${tasks.size + 1}`;
  let resolve;
  const result = new Promise(done => {
    resolve = done;
  });
  const task = { taskId, status: 'working', progress, result, resolve };
  tasks.set(taskId, task);
  return { task: shown(task) };
}
