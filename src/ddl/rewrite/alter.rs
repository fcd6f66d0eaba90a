//! The order in which the server runs the commands of one ALTER TABLE.

use super::{Apply, Rewrite};
use crate::ddl::read::{AlterCommand, ConstraintKind};

/// An ALTER TABLE whose commands are as written, but no longer under one lock.
pub(super) static APART: Rewrite = Rewrite {
    id: "commands-apart",
    when: "ALTER TABLE with VALIDATE CONSTRAINT beside other commands",
    why: "the other commands' lock would be held while all rows are read",
    halfway: "the commands before are done",
    setup: super::index::TOKENS,
    example: "ALTER TABLE token ADD COLUMN a int, VALIDATE CONSTRAINT used_some;",
    apply: Apply::Command(|_, _, _| None),
};

/// The pass of `tablecmds.c` (`AT_PASS_…`, 14 to 18) that a command runs in.
pub(super) fn pass(command: &AlterCommand) -> u8 {
    use AlterCommand as C;
    match command {
        C::DropColumn { .. } | C::DropConstraint { .. } | C::DropNotNull(_) | C::DropDefault(_) => 0,
        C::SetType { .. } => 1,
        C::AddColumn { .. } => 2,
        C::SetNotNull(_) => 4,
        C::AddConstraint(constraint) => match constraint.kind {
            ConstraintKind::NotNull(_) => 4,
            ConstraintKind::Unique(_)
            | ConstraintKind::PrimaryKey(_)
            | ConstraintKind::UsingIndex { .. }
            | ConstraintKind::Exclude => 5,
            ConstraintKind::Check(_) | ConstraintKind::ForeignKey { .. } => 6,
        },
        C::Default(_) | C::AddIdentity(_) => 6,
        _ => 7,
    }
}
