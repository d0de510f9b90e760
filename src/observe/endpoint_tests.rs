use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::super::metrics::{Metrics, never_asked};
use super::*;

/// An endpoint on a free port of the loopback.
fn start() -> (SocketAddr, Arc<Metrics>) {
    let endpoint = Endpoint::bind(&[HostPort { host: "127.0.0.1".into(), port: 0 }]).unwrap();
    let address = endpoint.addresses().next().unwrap();
    let (metrics, topology) = (Arc::new(Metrics::default()), never_asked());
    metrics.watch_backend(topology.clone());
    endpoint.serve(&Arc::new(Health::new(metrics.clone(), topology)));
    (address, metrics)
}

/// What comes back for these bytes, until the endpoint closes.
async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    // A reset behind the answer is an end too.
    let _ = read.expect("it closes");
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn each_request_gets_its_status() {
    let (address, _) = start();
    let rows: &[(&[u8], &str)] = &[
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
        (b"GET /metrics?name=x HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
        (b"GET /metrics HTTP/1.0\r\n\r\n", "200"),
        (b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
        (b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "503"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        (b"GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        (b"GET /../metrics HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405"),
        (b"DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", "400"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"),
        (b"GET /metrics\r\n\r\n", "400"),
        (b"nonsense\r\n\r\n", "400"),
        // ApiVersions, version 3.
        (b"\0\0\0\x13\0\x12\0\x03\0\0\0\x01\0\x01c\0\x02a\x02b\0", "400"),
        // The start of a TLS ClientHello.
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "400"),
    ];
    for (request, want) in rows {
        let answer = ask(address, request).await;
        let shown = String::from_utf8_lossy(request);
        assert_eq!(status(&answer), *want, "{shown:?}\n{answer}");
    }
}

#[tokio::test]
async fn an_answer_is_not_kept_by_caches_and_closes() {
    let (address, metrics) = start();
    metrics.listener("CLIENTS").accepted();
    let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.to_lowercase();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    for line in
        ["content-type: text/plain; version=0.0.4; charset=utf-8", "cache-control: no-store", "connection: close"]
    {
        assert!(head.contains(line), "{line}\n{head}");
    }
    assert!(body.contains("doorkeeper_connections_accepted_total{listener=\"clients\"} 1\n"), "{body}");
    let answer = ask(address, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n"), "a body for HEAD: {answer}");
    let answer = ask(address, b"PUT /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    // Two requests at once: one answer.
    let twice = ask(address, &b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2)).await;
    assert_eq!(twice.matches("HTTP/1.1 200").count(), 1, "{twice}");
}

#[tokio::test]
async fn it_is_not_ready_while_it_stops() {
    let (address, metrics) = start();
    let ready = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert!(ask(address, ready).await.ends_with("not ready: the backend has not answered yet\n"));
    metrics.drain();
    assert!(ask(address, ready).await.ends_with("not ready: stopping\n"));
}

#[tokio::test]
async fn clients_that_say_nothing_shut_nobody_out() {
    let (address, _) = start();
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(status(&ask(address, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await), "200");
    let mut closed = 0;
    for stream in &mut idle {
        let mut byte = [0];
        if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(5), stream.read(&mut byte)).await {
            closed += 1;
        }
    }
    assert!((200 - MAX_CONNECTIONS..=200).contains(&closed), "{closed} of 200 were closed");
}

#[tokio::test]
async fn a_head_that_is_slow_or_large_is_cut_off() {
    let (address, _) = start();
    let mut large = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
    large.resize(1 << 20, b'x');
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may close before all of it is sent.
    let sent = timeout(Duration::from_secs(5), stream.write_all(&large)).await.expect("it reads or closes");
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("it closes");
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(sent.is_err() || read.is_err() || status(&text) == "431", "{text}");
    assert!(!text.contains("200 OK"), "{text}");

    let mut slow = TcpStream::connect(address).await.unwrap();
    let begin = Instant::now();
    let mut end = [0; 1024];
    loop {
        let alive = slow.write_all(b"G").await.is_ok();
        let read = timeout(Duration::from_millis(200), slow.read(&mut end)).await;
        if !alive || matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
        assert!(begin.elapsed() < HEAD_DEADLINE * 2, "still open after {:?}", begin.elapsed());
    }
    assert!(begin.elapsed() > HEAD_DEADLINE / 2, "closed after {:?}", begin.elapsed());
}

#[test]
fn a_taken_port_names_the_key() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Endpoint::bind(&[HostPort { host: "127.0.0.1".into(), port }]).unwrap_err().to_string();
    assert!(error.starts_with(&format!("metrics.listeners: cannot listen on 127.0.0.1:{port}: ")), "{error}");
}
