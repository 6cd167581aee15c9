//! The page with made-up calls, to work on its looks: `cargo run -p dashboards --example preview -- [ADDRESS] [empty]`.

mod made_up;

use std::{collections::VecDeque, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use made_up::{Chance, LEAVING_2019, LEAVING_2020, Stage};

const CALLS: usize = 60;
/// With this call a new table comes into force, a minute after the start.
const TABLE_CHANGES: u64 = 500;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let addr: SocketAddr = arguments
        .first()
        .map_or("127.0.0.1:1177", String::as_str)
        .parse()?;
    let stage = made_up::stage();
    let _server = dashboards::serve(addr, stage.app.clone()).await?;
    stage.gateway_ready.send_replace(true);
    stage.recorder_ready.send_replace(true);
    if arguments.iter().any(|it| it == "empty") {
        std::future::pending::<()>().await;
    }
    play(&stage).await;
    Ok(())
}

async fn play(stage: &Stage) {
    let mut fixed = made_up::fixed(&LEAVING_2019);
    let mut chance = Chance(1177);
    let mut calls = VecDeque::new();
    for id in 1_u64.. {
        if id == TABLE_CHANGES {
            fixed = made_up::fixed(&LEAVING_2020);
            stage.fixed.send_replace(Arc::new(fixed.clone()));
        }
        let kommun = &fixed.kommuner[chance.below(fixed.kommuner.len())];
        calls.push_front(made_up::call(id, kommun, &mut chance));
        calls.truncate(CALLS);
        // No browser need be there to see it.
        let _ = stage
            .app
            .gateway
            .arrivals
            .send(made_up::arrival(id, kommun));
        if id % 4 == 0 {
            let clock = format!(
                "2019-02-18T14:{:02}:{:02}+01:00",
                (id / 240) % 60,
                (id / 4) % 60
            );
            let live = made_up::busy(
                &clock,
                &fixed,
                calls.iter().cloned().collect(),
                4000 + id,
                &mut chance,
            );
            stage.live.send_replace(Arc::new(live));
            stage
                .figures
                .send_replace(Arc::new(made_up::stored(&fixed, 400 + id)));
        }
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
}
