//! What an organisation finds and hears: its own recordings, for a purpose, whole and in ranges.

use std::fs;

use recorder::{
    access,
    api::tokens::Role,
    export,
    place::IndexPlace,
    vault::{Codec, Packet},
};

use super::{
    Api, OTHERS, OURS, WHY, filled,
    http::ask,
    ids,
    stored::{Bench, postgres},
};

#[tokio::test]
async fn an_organisation_finds_its_own_recordings_page_by_page() {
    let api = Api::over(filled()).await;
    let token = api.token(Role::Reader, OURS);
    let all = api.get(&token, "/api/recordings").await;
    assert_eq!((all.status, ids(&all).len()), (200, 3), "{all:?}");
    assert_eq!(all.header("cache-control"), Some("no-store"));
    let mut paged = Vec::new();
    let mut path = "/api/recordings?limit=2".to_owned();
    loop {
        let page = api.get(&token, &path).await;
        paged.extend(ids(&page));
        let Some(next) = page.json()["next"].as_str().map(str::to_owned) else {
            break;
        };
        path = format!("/api/recordings?limit=2&after={next}");
    }
    assert_eq!(paged, ids(&all));
    for (query, expected) in [
        ("call=1", 1),
        ("call=10", 0),
        ("kommun=2380", 3),
        ("kommun=0180", 0),
        (
            "region=23&from=2018-11-05T08:00:00Z&until=2018-11-05T10:00:00Z",
            3,
        ),
        ("from=2018-11-05T10:00:00Z", 0),
        ("controller=region-03", 3),
        ("controller=region-12", 0),
        ("controller=nobody", 0),
    ] {
        let found = api.get(&token, &format!("/api/recordings?{query}")).await;
        assert_eq!(ids(&found).len(), expected, "{query}");
    }
    for wrong in [
        "kommun=018",
        "call=x",
        "from=yesterday",
        "after=1",
        "colour=red",
        "region=%2e%2e",
    ] {
        let refused = api.get(&token, &format!("/api/recordings?{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
}

/// Why 404 and not 403: an answer must not say that somebody else has a recording of that id.
#[tokio::test]
async fn another_organisations_recordings_are_not_there() {
    let api = Api::over(filled()).await;
    let (ours, theirs) = (
        api.token(Role::Reader, OURS),
        api.token(Role::Reader, OTHERS),
    );
    let id = ids(&api.get(&theirs, "/api/recordings").await)[0].clone();
    let nobody = "0".repeat(32);
    for path in ["", "/audio"] {
        let other = api.get(&ours, &format!("/api/recordings/{id}{path}")).await;
        let none = api
            .get(&ours, &format!("/api/recordings/{nobody}{path}"))
            .await;
        assert_eq!((other.status, none.status), (404, 404));
        assert_eq!(other.body, none.body, "the same words");
        let own = api
            .get(&theirs, &format!("/api/recordings/{id}{path}"))
            .await;
        assert_eq!(own.status, 200);
    }
    assert_eq!(
        api.metric("vaxel_api_refused_total{reason=\"not-found\"}")
            .await,
        4.0
    );
    // Nobody looked at theirs but themselves.
    let seen: Vec<String> = api.log(OTHERS).into_iter().map(|one| one.0).collect();
    assert_eq!(seen, ["search", "show", "listen"]);
}

#[tokio::test]
async fn a_sound_is_the_export_whole_and_in_ranges() {
    let bench = Bench::new();
    let id = bench.record(OURS, 1);
    let path = bench.place.path().join("out.wav");
    export::export(&bench.vault, &bench.index, id, &path).expect("exported");
    let exported = fs::read(&path).expect("there");
    let length = exported.len();
    let api = Api::over(bench).await;
    let token = api.token(Role::Reader, OURS);
    let place = format!("/api/recordings/{id}/audio");
    let whole = api.get(&token, &place).await;
    assert_eq!(
        (whole.status, whole.header("content-type")),
        (200, Some("audio/wav"))
    );
    assert!(whole.body == exported);
    let tag = whole.header("etag").expect("a tag").to_owned();
    let ranged = async |range: &str, condition: &str| {
        let headers = [
            ("Authorization", &*token),
            WHY,
            ("Range", range),
            ("If-Range", condition),
        ];
        ask(api.addr(), &place, &headers).await
    };
    for (range, first, last) in [
        ("bytes=0-99", 0, 99),
        ("bytes=45-", 45, length - 1),
        ("bytes=-7", length - 7, length - 1),
        ("bytes=43-46", 43, 46),
    ] {
        let part = ranged(range, &tag).await;
        assert_eq!(part.status, 206, "{range}");
        let told = format!("bytes {first}-{last}/{length}");
        assert_eq!(part.header("content-range"), Some(&*told));
        assert!(part.body == exported[first..=last], "{range}");
    }
    let beyond = ranged(&format!("bytes={length}-"), &tag).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(
        beyond.header("content-range"),
        Some(&*format!("bytes */{length}"))
    );
    assert_eq!(ranged("bytes=0-9", "\"another\"").await.status, 200);
    // One listening, however many pieces; and another purpose is another one.
    let asked = [("Authorization", &*token), ("X-Purpose", "a dispute")];
    assert_eq!(ask(api.addr(), &place, &asked).await.status, 200);
    let told = api.log(OURS);
    let purposes: Vec<&str> = told.iter().map(|one| one.2.as_str()).collect();
    assert_eq!(purposes, ["a complaint", "a dispute"]);
    assert!(
        told.iter()
            .all(|one| one.0 == "listen" && one.1 == id.to_string())
    );
}

#[tokio::test]
async fn opus_comes_as_ogg_whole_and_in_ranges() {
    let bench = Bench::new();
    let packet = Packet::of(Codec::Opus, 0, vec![0x48, 1, 2, 3].into());
    let id = bench.record_of(OURS, 1, Codec::Opus, &packet);
    let path = bench.place.path().join("out");
    export::export(&bench.vault, &bench.index, id, &path).expect("exported");
    let exported = fs::read(path.with_extension("opus")).expect("there");
    let api = Api::over(bench).await;
    let token = api.token(Role::Reader, OURS);
    let place = format!("/api/recordings/{id}/audio");
    for path in [place.clone(), format!("{place}?part=opus")] {
        let whole = api.get(&token, &path).await;
        let told = (whole.status, whole.header("content-type"));
        assert_eq!(told, (200, Some("audio/ogg")));
        assert!(whole.body == exported, "{path}");
    }
    let length = exported.len();
    for (range, from) in [("bytes=30-", 30), ("bytes=-9", length - 9)] {
        let headers = [("Authorization", &*token), WHY, ("Range", range)];
        let part = ask(api.addr(), &place, &headers).await;
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body == exported[from..], "{range}");
    }
    for (part, status) in [("wav", 404), ("mp3", 400)] {
        let refused = api.get(&token, &format!("{place}?part={part}")).await;
        assert_eq!(refused.status, status, "{part}");
    }
}

#[tokio::test]
async fn without_a_purpose_nothing_is_read() {
    let api = Api::over(filled()).await;
    let token = api.token(Role::Reader, OURS);
    let bearer = ("Authorization", &*token);
    let too_long = "x".repeat(access::PURPOSE_LEN_MAX + 1);
    for headers in [
        vec![bearer],
        vec![bearer, ("X-Purpose", "  ")],
        vec![bearer, ("X-Purpose", &too_long)],
    ] {
        let refused = ask(api.addr(), "/api/recordings", &headers).await;
        assert_eq!(refused.status, 400, "{headers:?}");
        assert_eq!(refused.json()["reason"], "purpose");
    }
    assert_eq!(api.log(OURS), []);
    // A player can't send headers.
    let path = "/api/recordings?purpose=a%20complaint";
    assert_eq!(ask(api.addr(), path, &[bearer]).await.status, 200);
    let shouted = token.replace("Bearer", "BEARER");
    let bearer = ("Authorization", &*shouted);
    let answer = ask(api.addr(), path, &[bearer]).await;
    assert_eq!(answer.status, 200, "a scheme in any case (RFC 9110)");
    assert_eq!(api.log(OURS)[0].2, "a complaint");
}

/// Somebody gives region-12 a recording of region-03 by editing the index.
#[tokio::test]
async fn a_forged_tag_opens_nothing() {
    let bench = Bench::new();
    let id = bench.record(OURS, 1);
    bench.record(OTHERS, 2);
    let api = Api::over(bench).await;
    let forge =
        format!("UPDATE recordings SET controller = '{OTHERS}', region = '12' WHERE id = '{id}'");
    let place = api.bench.vault.place();
    match &place.index {
        IndexPlace::Postgres(url) => postgres::run(url, &forge),
        _ => {
            let index = rusqlite::Connection::open(place.store.join("index.sqlite"));
            assert_eq!(index.expect("ours").execute(&forge, []), Ok(1));
        }
    }
    let token = api.token(Role::Reader, OTHERS);
    for path in ["", "/audio"] {
        let answer = api
            .get(&token, &format!("/api/recordings/{id}{path}"))
            .await;
        assert!(matches!(answer.status, 409 | 500), "{}", answer.status);
        assert!(!String::from_utf8_lossy(&answer.body).contains("region"));
    }
}

/// The first attempt fails with the log; the second must not pass for the next piece of it.
#[tokio::test]
async fn what_cannot_be_written_down_is_not_heard_the_second_time_either() {
    let bench = Bench::new();
    let id = bench.record(OURS, 1);
    let api = Api::over(bench).await;
    let token = api.token(Role::Reader, OURS);
    let place = format!("/api/recordings/{id}/audio");
    let log = api.bench.vault.store().join(".access");
    fs::write(&log, "in the way").expect("ours");
    for attempt in 1..3 {
        assert_eq!(api.get(&token, &place).await.status, 500, "{attempt}");
    }
    fs::remove_file(&log).expect("ours");
    for _ in 0..2 {
        assert_eq!(api.get(&token, &place).await.status, 200);
    }
    let told = ("listen".to_owned(), id.to_string(), WHY.1.to_owned());
    assert_eq!(api.log(OURS), [told], "one listening");
}
