//! The word lists: invented companies, people and texts, chosen to hurt careless readers.

/// Invented companies; the first is the tenant of the project's sample documents.
pub(crate) const COMPANIES: [&str; 48] = [
    "acme-retail-na",
    "harbourline-bank",
    "bluefin-insurance",
    "alpenrose-hotels",
    "tidewater-energy",
    "copperleaf-health",
    "meridian-airways",
    "saltmarsh-telecom",
    "foxglove-pharmacy",
    "granite-mutual",
    "junebug-delivery",
    "kestrel-mobile",
    "lanternfish-games",
    "moorland-water",
    "nightjar-travel",
    "orchard-lane-foods",
    "pinecrest-credit-union",
    "quillon-legal",
    "riverbend-utilities",
    "silverbirch-pensions",
    "thistledown-parcels",
    "umberfield-motors",
    "violet-hour-cinemas",
    "wickerman-furniture",
    "yarrow-dental",
    "zephyr-broadband",
    "amberjack-logistics",
    "brightwell-housing",
    "cinderpath-rail",
    "driftwood-resorts",
    "eastgate-council",
    "fernhill-clinics",
    "goldcrest-cards",
    "hollowoak-press",
    "ironbridge-tools",
    "jasper-coffee",
    "kingfisher-ferries",
    "larkspur-schools",
    "maplekeep-storage",
    "northlight-solar",
    "oxbow-grocers",
    "partridge-leasing",
    "redstart-fitness",
    "sandpiper-cruises",
    "tallgrass-agri",
    "undercroft-wines",
    "valewood-funeral-care",
    "whistler-taxis",
];

/// Regions that follow a company's slug once the plain names are used up.
pub(crate) const REGIONS: [&str; 7] = ["eu", "uk", "apac", "latam", "nordics", "mea", "dach"];

/// First names, as they stand between the quotes of a JSON string.
pub(crate) const FIRST_NAMES: [&str; 24] = [
    "Aoife",
    "Zo\u{eb}",
    "Rubén",
    "Małgorzata",
    "Søren",
    "Đặng",
    "Fatima",
    "Ji-woo",
    "Nikolai",
    "Ngozi",
    "Þóra",
    "Émilie",
    "Wanjiru",
    "Ioannis",
    "José María",
    "Siân",
    "Çelik",
    "Tomasz",
    "Leilani",
    "明",
    "Юлия",
    "Se\\u00e1n",
    "Bob \\\"Buddy\\\"",
    "Zoe\u{308}",
];

/// Family names, as they stand between the quotes of a JSON string.
pub(crate) const LAST_NAMES: [&str; 20] = [
    "O'Connor",
    "Łaski",
    "Nuñez",
    "Weiß",
    "Åkesson",
    "Trần",
    "al-Rashid",
    "Park",
    "Петрова",
    "Eze",
    "Jónsdóttir",
    "Lefèvre",
    "Mwangi",
    "Παπάς",
    "García-Ortiz",
    "Llewellyn",
    "Öztürk",
    "van der Berg",
    "山本",
    "D\\u2019Souza",
];

/// Local parts of e-mail addresses.
pub(crate) const MAILBOXES: [&str; 8] =
    ["a.oconnor", "zoe", "r.nunez+calls", "m_laski", "soren.akesson", "fatima99", "jiwoo", "n.eze"];

/// Free text, as it stands between the quotes of a JSON string: the raw U+2028 that naive line
/// splitters break on, escapes of every kind, surrogate pairs, emoji, quoted JSON, nothing at all.
pub(crate) const TEXTS: [&str; 19] = [
    "",
    "x",
    "voice",
    "wants a call back",
    "first line\u{2028}second line",
    "\u{2028}",
    "left\\tright\\nnext",
    "said \\\"no\\\" twice",
    "C:\\\\calls\\\\today",
    "caf\\u00e9",
    "\\ud83d\\udcde",
    "called \u{1F4DE} twice",
    "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467} account",
    "https:\\/\\/crm.example\\/t\\/7",
    "{\\\"tenant\\\":\\\"other\\\"}",
    "größer als",
    "順番待ち",
    "]},",
    "100% — “sure”",
];

/// What a customer says in a transcript, before the account number.
pub(crate) const SENTENCES: [&str; 6] = [
    "my account number is",
    "the card ends in",
    "please note down",
    "es geht um die Nummer",
    "it\\u2019s order",
    "c\u{2019}est le dossier",
];

/// Streets, for postal addresses.
pub(crate) const STREETS: [&str; 5] =
    ["Quay Street", "Rue de l'Église", "Bergstraße", "Calle Ñuble", "Long Acre"];
