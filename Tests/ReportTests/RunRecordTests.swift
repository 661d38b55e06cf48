import Foundation
import TestSupport
import Testing

@testable import Report

@Suite struct RunRecordTests {
  /// A record with every kind of value.
  private func example() -> RunRecord {
    var record = RunRecord(
      command: ["kindred", "average", "my particles.star"], workingDirectory: "/data/run",
      versions: SoftwareVersions(
        kindred: "0.1.0", swift: "6.3", mpi: "Open MPI v4.1.4", openblas: nil, fftw: "fftw-3.3.10"),
      hosts: ["node1", "node1", "node2"], threads: 4,
      start: Date(timeIntervalSince1970: 1_767_323_045),
      options: [
        "neighbours": 10, "noise-variance": 1.5, "no-ctf": false, "search": "rir", "radius": nil,
        "defocus": [1.25, 4.5],
      ])
    record.end = Date(timeIntervalSince1970: 1_767_323_100)
    record.noiseVariance = 1.25
    record.imagesUsed = 99
    record.imagesLeftOut = [.init(particle: 17, reason: "NaN pixels")]
    record.covarianceRanks = [7, 5, 0]
    record.checkpoints = .init(files: 1200, bytes: 3 << 20, seconds: 0.25)
    record.stages = [
      StageSummary(
        name: "read", meanSeconds: 1, maximumSeconds: 2, share: 1, imbalance: 1,
        communicationShare: 0.5, peakBytes: 4096)
    ]
    return record
  }

  @Test func readsBackEqual() throws {
    let folder = try TemporaryFolder()
    let record = example()
    try record.write(to: folder.file("run.json"))
    #expect(try RunRecord.read(from: folder.file("run.json")) == record)
    // No temporary file stays beside it.
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["run.json"])
  }

  @Test func hasSnakeCaseKeysAndPlainValues() throws {
    let data = try example().json()
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(
      object.keys.sorted() == [
        "checkpoints", "command", "covariance_ranks", "end", "findings", "hosts",
        "images_left_out", "images_used", "noise_variance", "options", "passes", "ranks", "stages",
        "start", "threads", "versions",
        "working_directory",
      ])
    #expect(object["start"] as? String == "2026-01-02T03:04:05Z")
    #expect(object["ranks"] as? Int == 3)
    let options = try #require(object["options"] as? [String: Any])
    #expect(options["radius"] is NSNull)
    let text = String(decoding: data, as: UTF8.self)
    #expect(text.contains("\"no-ctf\" : false"))
    #expect(text.contains("\"neighbours\" : 10"))
    #expect(text.contains("\"communication_share\" : 0.5"))
    #expect(text.hasSuffix("}\n"))
  }

  @Test func tellsWhatCheckpointsCost() throws {
    let text = try #require(example().checkpoints).text(ofSeconds: 50)
    #expect(text == "Checkpoints: 1,200 files, 3 MiB, 0.25 s of the time (0.5 %)")
  }

  @Test func optionsKeepTheirTypes() throws {
    let values: [JSONValue] = [nil, true, 3, 2.5, "a", [1, "b"], JSONValue(Double.infinity)]
    let data = try JSONEncoder().encode(values)
    #expect(String(decoding: data, as: UTF8.self) == #"[null,true,3,2.5,"a",[1,"b"],null]"#)
    #expect(try JSONDecoder().decode([JSONValue].self, from: data) == values.dropLast() + [nil])
  }
}
