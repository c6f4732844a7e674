//! How long the protocol's hot functions take: what every request pays before and after a server's own work.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};
use treekeeper_protocol::response::{GetChildrenResponse, GetDataResponse};
use treekeeper_protocol::{
    Acl, CreateKind, CreateRequest, MultiRequest, ReadRequest, ReplyHeader, Request, RequestHeader,
    SetDataRequest, Stat, encode, frame, path,
};

const PATH: &str = "/population/0042/znode-of-the-bench-000000042000";

fn payload(request: &Request) -> Bytes {
    let mut out = BytesMut::new();
    RequestHeader {
        xid: 7,
        op: request.op().as_i32(),
    }
    .encode(&mut out);
    request.encode(&mut out);
    out.freeze()
}

fn set_data() -> Request {
    let data = Some(Bytes::from_static(&[b'x'; 100]));
    Request::SetData(SetDataRequest {
        path: PATH.to_owned(),
        data,
        version: -1,
    })
}

fn requests() -> Vec<(&'static str, Request)> {
    let create = CreateRequest {
        kind: CreateKind::Create,
        path: PATH.to_owned(),
        data: Some(Bytes::from_static(&[b'x'; 100])),
        acl: Some(Acl::world_anyone_all()),
        flags: 0,
        ttl: 0,
    };
    vec![
        (
            "getData",
            Request::GetData(ReadRequest {
                path: PATH.to_owned(),
                watch: false,
            }),
        ),
        ("setData", set_data()),
        ("create", Request::Create(create)),
        (
            "multi of 10 setData",
            Request::Multi(MultiRequest {
                ops: vec![set_data(); 10],
            }),
        ),
    ]
}

fn decode_requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode request");
    for (name, request) in requests() {
        let payload = payload(&request);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (header, body) =
                    RequestHeader::decode(black_box(&payload)).expect("encoded above");
                let op = treekeeper_protocol::OpCode::from_i32(header.op).expect("encoded above");
                Request::decode(op, &body).expect("encoded above")
            });
        });
    }
    group.finish();
}

fn encode_replies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode reply");
    let mut out = BytesMut::with_capacity(64 * 1024);
    let header = ReplyHeader {
        xid: 7,
        zxid: 1 << 40,
        err: 0,
    };
    let get_data = GetDataResponse {
        data: Some(Bytes::from_static(&[b'x'; 100])),
        stat: Stat::default(),
    };
    group.bench_function("getData of 100 bytes", |bencher| {
        bencher.iter(|| {
            out.clear();
            let start = encode::begin_frame(&mut out);
            black_box(&header).encode(&mut out);
            black_box(&get_data).encode(&mut out);
            encode::end_frame(&mut out, start);
        });
    });
    let name = path::name(PATH).to_owned();
    let get_children = GetChildrenResponse {
        children: vec![name; 100],
    };
    group.bench_function("getChildren of 100", |bencher| {
        bencher.iter(|| {
            out.clear();
            let start = encode::begin_frame(&mut out);
            black_box(&header).encode(&mut out);
            black_box(&get_children).encode(&mut out);
            encode::end_frame(&mut out, start);
        });
    });
    group.finish();
}

fn split_frames(criterion: &mut Criterion) {
    let mut bytes = BytesMut::new();
    for _ in 0..16 {
        let start = encode::begin_frame(&mut bytes);
        bytes.extend_from_slice(&payload(&set_data()));
        encode::end_frame(&mut bytes, start);
    }
    let bytes = bytes.freeze();
    criterion.bench_function("split 16 frames", |bencher| {
        bencher.iter_batched_ref(
            || BytesMut::from(&bytes[..]),
            |buffer| {
                let mut frames = 0;
                while let Ok(Some(frame)) = frame::split_frame(buffer, frame::FRAME_LEN_MAX_DEFAULT)
                {
                    frames += usize::from(!black_box(frame).is_empty());
                }
                frames
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

fn validate_path(criterion: &mut Criterion) {
    criterion.bench_function("validate path of 48 bytes", |bencher| {
        bencher.iter(|| path::validate(black_box(PATH)).is_ok());
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode_requests(&mut criterion);
    encode_replies(&mut criterion);
    split_frames(&mut criterion);
    validate_path(&mut criterion);
    criterion.final_summary();
}
