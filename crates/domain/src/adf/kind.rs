//! The types of nodes and marks that are known. The set is open: Jira adds to it without notice.

/// Declares an enum with a stable name for each variant, and one for all the names that nobody knows yet.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$of])* $variant,)*
            /// A name that is not known here.
            Other(String),
        }

        impl $name {
            /// Reads a name; one that nobody knows is kept.
            pub fn of(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }

            /// The name.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(name) => name,
                }
            }
        }
    };
}

names! {
    /// The type of a node.
    Kind {
        /// The root.
        Doc = "doc",
        /// Inline nodes on lines of their own.
        Paragraph = "paragraph",
        /// `level` 1 to 6.
        Heading = "heading",
        /// Of list items.
        BulletList = "bulletList",
        /// Of list items; `order` is the first number.
        OrderedList = "orderedList",
        /// Of blocks.
        ListItem = "listItem",
        /// Of task items, and of task lists below them.
        TaskList = "taskList",
        /// Of inline nodes; `state` is `TODO` or `DONE`.
        TaskItem = "taskItem",
        /// Of decision items.
        DecisionList = "decisionList",
        /// Of inline nodes.
        DecisionItem = "decisionItem",
        /// Of blocks.
        Blockquote = "blockquote",
        /// Of one text; `language`.
        CodeBlock = "codeBlock",
        /// Of blocks; `panelType`.
        Panel = "panel",
        /// A line across.
        Rule = "rule",
        /// Of blocks; `title`.
        Expand = "expand",
        /// The same within a table or an expand.
        NestedExpand = "nestedExpand",
        /// Of rows.
        Table = "table",
        /// Of cells.
        TableRow = "tableRow",
        /// Of blocks.
        TableHeader = "tableHeader",
        /// Of blocks.
        TableCell = "tableCell",
        /// Of one media.
        MediaSingle = "mediaSingle",
        /// Of several media.
        MediaGroup = "mediaGroup",
        /// A file, or an image elsewhere; `id` or `url`, `alt`.
        Media = "media",
        /// What is said below an image.
        Caption = "caption",
        /// A link as a card; `url`.
        BlockCard = "blockCard",
        /// A page shown within; `url`.
        EmbedCard = "embedCard",
        /// Of columns.
        LayoutSection = "layoutSection",
        /// Of blocks.
        LayoutColumn = "layoutColumn",
        /// An app's block.
        Extension = "extension",
        /// An app's block around others.
        BodiedExtension = "bodiedExtension",
        /// A text.
        Text = "text",
        /// A line's end within a block.
        HardBreak = "hardBreak",
        /// A person; `id` is the account, `text` the name.
        Mention = "mention",
        /// `shortName`, `text`.
        Emoji = "emoji",
        /// `timestamp`: epoch milliseconds as a text.
        Date = "date",
        /// A coloured word; `text`.
        Status = "status",
        /// A link as its page's title; `url`.
        InlineCard = "inlineCard",
        /// A file within a line.
        MediaInline = "mediaInline",
        /// An app's part of a line.
        InlineExtension = "inlineExtension",
        /// What a template asks for; `text`.
        Placeholder = "placeholder",
    }
}

names! {
    /// The type of a mark.
    MarkKind {
        /// Bold.
        Strong = "strong",
        /// Italic.
        Em = "em",
        /// Underlined.
        Underline = "underline",
        /// Struck through.
        Strike = "strike",
        /// Code; goes together with a link and nothing else.
        Code = "code",
        /// `href`, `title`.
        Link = "link",
        /// Below or above the line; `type`.
        Subsup = "subsup",
        /// `color`.
        TextColor = "textColor",
        /// `color`.
        BackgroundColor = "backgroundColor",
        /// `align`.
        Alignment = "alignment",
        /// `level`.
        Indentation = "indentation",
        /// `size`, `color`.
        Border = "border",
    }
}

impl Kind {
    /// Whether it holds inline nodes and nothing else.
    pub(super) fn holds_inline(&self) -> bool {
        matches!(
            self,
            Self::Paragraph | Self::Heading | Self::CodeBlock | Self::TaskItem | Self::DecisionItem | Self::Caption
        )
    }

    /// Whether it is part of a line.
    pub(super) fn is_inline(&self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::HardBreak
                | Self::Mention
                | Self::Emoji
                | Self::Date
                | Self::Status
                | Self::InlineCard
                | Self::MediaInline
                | Self::InlineExtension
                | Self::Placeholder
        )
    }

    /// Whether it is a cell of a table.
    pub(super) fn is_cell(&self) -> bool {
        matches!(self, Self::TableHeader | Self::TableCell)
    }
}
