//! The catalogue: what frames of each topic look like, as JSON text with slots in angle brackets.
//!
//! `<uuid>` is a slot (see [`Slot`](super::template::Slot)), `<a|b|c>` one of three literals, the
//! more often written the likelier. Everything else stands in the frame as it stands here.
//!
//! Members and shapes are those of the public Genesys Cloud notification schemas. What we add for
//! the project's sample documents (a flat `queueId`, `state`, `direction` and `channelType`;
//! `caller`, `interaction` and `telephony`) is listed in the [module's table](super).

/// One kind of event.
#[derive(Debug)]
pub(crate) struct Topic {
    /// The topic string, with slots.
    pub(crate) name: &'static str,
    /// How many of 4,042 events are of this topic.
    pub(crate) share: u32,
    /// Members that every body has, without braces.
    pub(crate) always: &'static str,
    /// Members that a body has or has not.
    pub(crate) sometimes: &'static [&'static str],
    /// The list that a body grows by.
    pub(crate) list: List,
    /// Sizes of whole frames in bytes: least, 10 %, 25 %, median, 75 %, 90 %, 99 %, most.
    pub(crate) sizes: [u32; 8],
}

/// A member that holds any number of items.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) name: &'static str,
    /// Members of every item; an empty text makes items of `sometimes` alone.
    pub(crate) always: &'static str,
    /// Members that an item has or has not. If items are no objects, the one text of an item.
    pub(crate) sometimes: &'static [&'static str],
    pub(crate) objects: bool,
}

const fn objects(
    name: &'static str,
    always: &'static str,
    sometimes: &'static [&'static str],
) -> List {
    List { name, always, sometimes, objects: true }
}

const fn texts(name: &'static str, item: &'static [&'static str]) -> List {
    List { name, always: "", sometimes: item, objects: false }
}

/// The parts of a call that the project's sample policy redacts.
const CALLER: &str = r#""caller":{"phoneNumber":"<caller>","name":"<name>"}"#;
const INTERACTION: &str = r#""interaction":{"contactId":"<contact>"}"#;
const TELEPHONY: &str = r#""telephony":{"call":{"recordingUrl":"<recording>"}}"#;

/// Members that participants of every medium share.
const PARTICIPANT: [&str; 34] = [
    r#""name":"<name>""#,
    r#""address":"tel:<address>""#,
    r#""externalOrganizationId":"<foreign>""#,
    r#""startTime":"<time>""#,
    r#""connectedTime":"<time>""#,
    r#""purpose":"<customer|agent|acd|ivr|voicemail|external>""#,
    r#""userId":"<user>""#,
    r#""queueId":"<queue>""#,
    r#""queue":{"id":"<queue>","name":"<Billing|Störungen|Orders \u2013 EU|Überlauf>"}"#,
    r#""wrapupRequired":<true|false>"#,
    r#""wrapupPrompt":"<mandatory|optional|timeout|agentRequested>""#,
    r#""wrapup":{"code":"<word>","notes":"<text>","durationSeconds":<small>,"endTime":"<time>"}"#,
    r#""alertingTimeoutMs":<span>"#,
    r#""attributes":{"customerName":"<name>","accountNo":"<account>","note":"<text>"}"#,
    r#""attributes":{"email":"<email>","ssn":"<ssn>","customer\u004eote":"<text>"}"#,
    r#""ani":"tel:<ani>""#,
    r#""dnis":"tel:<dnis>""#,
    r#""externalContactId":"<uuid>""#,
    r#""endTime":"<time>""#,
    r#""externalContactInitialDivisionId":"<uuid>""#,
    r#""consultParticipantId":"<uuid>""#,
    r#""monitoredParticipantId":"<uuid>""#,
    r#""coachedParticipantId":"<uuid>""#,
    r#""flaggedReason":"<general|>""#,
    r#""startAcwTime":"<time>""#,
    r#""endAcwTime":"<time>""#,
    r#""mediaRoles":["<word>","full"]"#,
    r#""teamId":"<uuid>""#,
    r#""screenRecordingState":"<requested|active|paused|stopped|error>""#,
    r#""conversationRoutingData":{"priority":<small>,"skills":[{"id":"<uuid>","name":"<word>"}]}"#,
    r#""journeyContext":{"customer":{"id":"<email>","idType":"email"}}"#,
    r#""emails":[{"id":"<uuid>","state":"<alerting|connected>","subject":"<text>","held":false}]"#,
    r#""chats":[{"state":"<alerting|connected>","id":"<uuid>","recordingId":"<uuid>","context":"<text>"}]"#,
    r#""calls":[{"id":"<uuid>","direction":"<inbound|outbound>","self":{"nameRaw":"<name>","addressRaw":"<address>"},"muted":<true|false>,"recording":<true|false>,"connectedTime":"<time>"}]"#,
];

/// Members of a participant of a telephone call.
const CALL_PARTICIPANT: [&str; 27] = [
    r#""name":"<name>""#,
    r#""address":"tel:<address>""#,
    r#""direction":"<inbound|outbound>""#,
    r#""ani":"tel:<ani>""#,
    r#""dnis":"tel:<dnis>""#,
    r#""state":"<alerting|dialing|contacting|connected|disconnected|terminated>""#,
    r#""externalOrganization":{"id":"<foreign>"}"#,
    r#""externalOrganizationId":"<foreign>""#,
    r#""startTime":"<time>""#,
    r#""connectedTime":"<time>""#,
    r#""endTime":"<time>""#,
    r#""startHoldTime":"<time>""#,
    r#""purpose":"<customer|agent|acd|ivr>""#,
    r#""user":{"id":"<user>","name":"<name>"}"#,
    r#""queue":{"id":"<queue>","name":"<Billing|Störungen|Orders \u2013 EU|Überlauf>"}"#,
    r#""attributes":{"customerName":"<name>","accountNo":"<account>","home":"<postal>"}"#,
    r#""provider":"<Edge|PureCloud>""#,
    r#""muted":<true|false>"#,
    r#""held":<true|false>"#,
    r#""securePause":<true|false>"#,
    r#""recording":<true|false>"#,
    r#""recordingState":"<none|active|paused>""#,
    r#""wrapup":{"code":"<word>","notes":"<text>","tags":["<text>"]}"#,
    r#""disconnectType":"<peer|client|endpoint|transfer|timeout|system>""#,
    r#""publicIpAddress":"192.0.2.<small>""#,
    r#""documentId":"<uuid>""#,
    r#""faxStatus":{"direction":"<word>","expectedPages":<small>,"lineErrors":<small>}"#,
];

/// Members of analytics detail events.
const DETAIL: [&str; 19] = [
    r#""sessionId":"<uuid>""#,
    r#""participantId":"<uuid>""#,
    r#""provider":"<Edge|PureCloud Email>""#,
    r#""direction":"<INBOUND|OUTBOUND|UNKNOWN>""#,
    r#""mediaType":"<VOICE|EMAIL|CHAT|CALLBACK|MESSAGE|SCREENSHARE|COBROWSE|UNKNOWN>""#,
    r#""ani":"tel:<ani>""#,
    r#""dnis":"tel:<dnis>""#,
    r#""addressTo":"tel:<address>""#,
    r#""addressFrom":"<email>""#,
    r#""callbackUserName":"<name>""#,
    r#""callbackNumbers":["tel:<address>","tel:<address>"]"#,
    r#""callbackScheduledTime":<millis>"#,
    r#""subject":"<text>""#,
    r#""messageType":"<SMS|OPEN|FACEBOOK|WHATSAPP|WEBMESSAGING>""#,
    r#""queueId":"<queue>""#,
    r#""divisionId":"<uuid>""#,
    r#""externalOrganizationId":"<foreign>""#,
    r#""interactingDurationMs":<span>"#,
    r#""utilizationLabel":"<word>""#,
];

const DETAIL_LIST: List = texts("conversationExternalContactIds", &[r#""<uuid>""#]);
const USER_PARAMS: &[&str] = &[
    r#""value":"<text>""#,
    r#""additionalProperties":{"customerName":"<name>","accountNo":"<account>"}"#,
];

/// Every topic of the stream.
pub(crate) const TOPICS: [Topic; 13] = [
    Topic {
        name: "v2.routing.queues.<queue>.conversations",
        share: 680,
        always: r#""id":"<conversation>""#,
        sometimes: &[
            r#""maxParticipants":<small>"#,
            r#""recordingState":"<none|active|paused>""#,
            r#""utilizationLabelId":"<uuid>""#,
            CALLER,
            r#""address":"<email>""#,
            INTERACTION,
            r#""inactivityTimeout":"<time>""#,
            TELEPHONY,
            r#""recentTransfers":[{"id":"<uuid>","state":"<accepted|declined>","dateIssued":"<time>"}]"#,
        ],
        list: objects("participants", r#""id":"<uuid>""#, &PARTICIPANT),
        sizes: [780, 1_755, 2_470, 4_216, 8_117, 13_344, 19_936, 21_949],
    },
    Topic {
        name: "v2.users.<user>.conversations.calls",
        share: 592,
        always: concat!(
            r#""id":"<conversation>","queueId":"<queue>","direction":"<inbound|inbound|outbound>","#,
            r#""channelType":"<voice|voice|voice|voice|voice|callback>","mediaType":"voice","#,
            r#""state":"<alerting|connected|connected|disconnected|terminated>","#,
            r#""caller":{"phoneNumber":"<caller>","name":"<name>"},"#,
            r#""interaction":{"contactId":"<contact>"},"#,
            r#""telephony":{"call":{"recordingUrl":"<recording>"}}"#
        ),
        sometimes: &[
            r#""maxParticipants":<small>"#,
            r#""recordingState":"<none|active|paused>""#,
            r#""securePause":<true|false>"#,
            r#""utilizationLabelId":"<uuid>""#,
            r#""otherMediaUris":[]"#,
        ],
        list: objects("participants", r#""id":"<uuid>""#, &CALL_PARTICIPANT),
        sizes: [766, 1_413, 1_827, 2_641, 3_880, 6_231, 7_705, 8_210],
    },
    Topic {
        name: "v2.users.<user>.routingStatus",
        share: 548,
        always: r#""id":"<user>""#,
        sometimes: &[
            r#""routingStatus":{"status":"<IDLE|INTERACTING|COMMUNICATING|NOT_RESPONDING|OFF_QUEUE>","startTime":"<time>"}"#,
            r#""errorInfo":{"errorCode":"<word>","status":<small>,"userMessage":"<text>"}"#,
        ],
        list: objects("userParams", r#""key":"<word>""#, USER_PARAMS),
        sizes: [215, 215, 215, 272, 341, 435, 526, 544],
    },
    Topic {
        name: "v2.analytics.queues.<queue>.observations",
        share: 372,
        always: concat!(
            r#""group":{"queueId":"<queue>","mediaType":"<voice|voice|email|chat|message|callback>"},"#,
            r#""state":"<available|available|busy|busy|away|offline>""#
        ),
        sometimes: &[],
        list: objects(
            "data",
            r#""interval":"<interval>""#,
            &[
                r#""metrics":[{"metric":"<oWaiting|oInteracting|oOnQueueUsers|nOffered|tAnswered>","qualifier":"<text>","stats":{"count":<small>,"max":<span>}}]"#,
                r#""views":[{"name":"<word>","stats":{"count":<small>}}]"#,
            ],
        ),
        sizes: [265, 269, 269, 275, 322, 371, 504, 545],
    },
    Topic {
        name: "v2.users.<user>.activity",
        share: 368,
        always: r#""id":"<user>""#,
        sometimes: &[
            r#""routingStatus":{"status":"<IDLE|INTERACTING|OFF_QUEUE>","startTime":"<time>"}"#,
            r#""presence":{"presenceDefinition":{"id":"<uuid>","systemPresence":"<BUSY|AWAY|MEAL>"}}"#,
            r#""outOfOffice":{"active":<true|false>,"modifiedDate":"<time>"}"#,
            r#""dateActiveQueuesChanged":"<time>""#,
        ],
        list: texts("activeQueueIds", &[r#""<anyqueue>""#]),
        sizes: [210, 227, 263, 321, 410, 510, 594, 669],
    },
    Topic {
        name: "v2.users.<user>.presence",
        share: 345,
        always: r#""primary":<true|false>"#,
        sometimes: &[
            r#""presenceDefinition":{"id":"<uuid>","systemPresence":"<AVAILABLE|BUSY|AWAY|ON_QUEUE>"}"#,
            r#""message":"<text>""#,
            r#""modifiedDate":"<time>""#,
            r#""source":"<PURECLOUD|ZOOM|TEAMS>""#,
            r#""futurePresenceDefinition":{"id":"<uuid>"}"#,
        ],
        list: objects(
            "history",
            r#""modifiedDate":"<time>""#,
            &[r#""source":"<PURECLOUD|TEAMS>""#, r#""message":"<text>""#],
        ),
        sizes: [167, 182, 211, 257, 312, 381, 443, 449],
    },
    Topic {
        name: "v2.users.<user>.conversations",
        share: 301,
        always: r#""id":"<conversation>""#,
        sometimes: &[
            r#""maxParticipants":<small>"#,
            INTERACTION,
            r#""recordingState":"<none|active|paused>""#,
            r#""externalTag":"<word>""#,
            CALLER,
            r#""divisions":[{"division":{"id":"<uuid>"}}]"#,
            TELEPHONY,
            r#""securePause":<true|false>"#,
        ],
        list: objects("participants", r#""id":"<uuid>""#, &PARTICIPANT),
        sizes: [751, 1_633, 2_575, 4_209, 8_494, 13_496, 18_324, 20_519],
    },
    Topic {
        name: "v2.users.<user>.conversationsummary",
        share: 240,
        always: r#""userId":"<user>""#,
        sometimes: &[
            r#""call":{"contactCenter":{"active":<small>,"acw":<small>}}"#,
            r#""callback":{"contactCenter":{"active":<small>}}"#,
            r#""email":{"enterprise":{"acw":<small>}}"#,
            r#""message":{"contactCenter":{"active":<small>,"acw":<small>},"enterprise":{"active":<small>}}"#,
            r#""chat":{"enterprise":{"active":<small>,"acw":<small>}}"#,
            r#""video":{"contactCenter":{"active":<small>}}"#,
        ],
        list: objects("socialExpression", r#""active":<small>"#, &[r#""acw":<small>"#]),
        sizes: [178, 197, 232, 282, 396, 498, 598, 632],
    },
    Topic {
        name: "v2.conversations.<conversation>.transcription",
        share: 226,
        always: r#""eventTime":"<now>","organizationId":"<organisation>","conversationId":"<conversation>""#,
        sometimes: &[
            r#""communicationId":"<uuid>""#,
            r#""sessionStartTimeMs":<millis>"#,
            r#""status":{"offsetMs":<span>,"status":"<SESSION_ONGOING|SESSION_ENDED>"}"#,
        ],
        list: objects(
            "transcripts",
            r#""utteranceId":"<uuid>","isFinal":<true|false>"#,
            &[
                r#""channel":"<EXTERNAL|INTERNAL|BOTH>""#,
                r#""alternatives":[{"confidence":<fraction>,"offsetMs":<span>,"transcript":"<said>"}]"#,
                r#""engineProvider":"<word>""#,
                r#""dialect":"<en-US|de-DE|pt-BR|ja-JP>""#,
            ],
        ),
        sizes: [330, 365, 400, 463, 589, 948, 1_426, 1_478],
    },
    Topic {
        name: "v2.detail.events.conversation.<conversation>.customer.start",
        share: 114,
        always: r#""eventTime":<nowms>,"conversationId":"<conversation>""#,
        sometimes: &DETAIL,
        list: DETAIL_LIST,
        sizes: [306, 421, 487, 580, 768, 926, 1_114, 1_117],
    },
    Topic {
        name: "v2.detail.events.conversation.<conversation>.customer.end",
        share: 103,
        always: r#""eventTime":<nowms>,"conversationId":"<conversation>","disconnectType":"<PEER|CLIENT|TIMEOUT|TRANSFER|OTHER>""#,
        sometimes: &DETAIL,
        list: DETAIL_LIST,
        sizes: [338, 416, 509, 610, 788, 908, 1_020, 1_049],
    },
    Topic {
        name: "v2.detail.events.conversation.<conversation>.user.start",
        share: 81,
        always: r#""eventTime":<nowms>,"conversationId":"<conversation>","userId":"<user>""#,
        sometimes: &DETAIL,
        list: DETAIL_LIST,
        sizes: [286, 383, 473, 557, 696, 783, 851, 851],
    },
    Topic {
        name: "v2.detail.events.conversation.<conversation>.acd.start",
        share: 72,
        always: r#""eventTime":<nowms>,"conversationId":"<conversation>","routingPriority":<small>"#,
        sometimes: &DETAIL,
        list: DETAIL_LIST,
        sizes: [360, 426, 491, 597, 716, 812, 891, 891],
    },
];
