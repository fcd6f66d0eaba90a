//! apply and cutover in one process, as the commands of their names do them: for the demo and for rehearsals.

use super::inputs::Inputs;
use crate::cutover::{Approval, Mode, cut_over};
use crate::engine;
use crate::error::Result;
use crate::journal::Recorder;
use crate::step::Step;

/// What the caller does meanwhile.
pub struct Meanwhile<B, A, S> {
    /// Before each step of `apply`.
    pub before: B,
    /// When everything is ready and the fence comes next.
    pub approve: A,
    /// When green serves.
    pub switched: S,
}

/// Runs a run that has just begun up to the proof behind the decision.
pub async fn upgrade<B, A, S>(inputs: &Inputs, recorder: &mut Recorder, meanwhile: Meanwhile<B, A, S>) -> Result<()>
where
    B: AsyncFnMut(&Step) -> Result<()>,
    A: AsyncFnOnce(&Approval) -> bool,
    S: FnOnce(),
{
    engine::apply_with(&inputs.plan, &inputs.migrations, recorder, meanwhile.before).await?;
    let folder = recorder.folder().to_owned();
    let given = engine::given(&inputs.plan, recorder.run(), &folder)?;
    let done = cut_over(&given, recorder, Mode::Switch(meanwhile.approve)).await?;
    (meanwhile.switched)();
    engine::prove_cutover(&inputs.plan, recorder, done.witness).await
}
