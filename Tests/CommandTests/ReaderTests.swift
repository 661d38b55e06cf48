import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Real data in, and other people's programs on what comes out.
  @Suite struct ReaderTests {
    @Test(
      .enabled(if: SharedData.isPresent, "../shared/data is not there"),
      arguments: [
        ("sample", 17, []), ("empiar_10076_7", 7, ["--band-limit", "25"]),
        ("relion31", 5, ["--band-limit", "25"]), ("rln_proj_65", 5, ["--no-ctf"]),
      ] as [(String, Int, [String])])
    func realParticles(name: String, count: Int, options: [String]) throws {
      let folder = try TemporaryFolder()
      let run = try Command.run(
        [
          "average", "\(SharedData.path)/real/\(name).star", "--output", folder.file("run"),
          "--neighbours", "3", "--suspects", count > 5 ? "5" : "4",
        ] + options, ranks: 2)
      #expect(run.status == 0, "\(run.text)")
      #expect(folder.names(in: "run") == RunOutput.fileNames)
      let found = try RunOutput(folder, "run")
      #expect(found.shapes[0] == [count, 3] && found.affinity.allSatisfy { $0.isFinite })
      let averages = try RunOutput.stack(folder.file("run/averages.mrcs")).pixels
      #expect(averages.allSatisfy { $0.isFinite } && averages.contains { $0 != 0 })
    }

    @Test(
      .enabled(
        if: Project.hasPython, "no .venv with numpy, mrcfile and starfile: see cluster/run-tests"))
    func python() throws {
      let folder = try SmallSet.make(images: 60)
      #expect(try average(folder, to: "run", ranks: 2).status == 0)
      try folder.write(
        """
        import sys, numpy, mrcfile, starfile
        folder = sys.argv[1]
        shape = (60, 5)
        for name, kind in [("neighbours", "int32"), ("affinity", "float32"),
                           ("rotation", "float32"), ("reflected", "uint8")]:
            array = numpy.load(f"{folder}/run/{name}.npy")
            assert array.shape == shape and array.dtype == kind, (name, array.shape, array.dtype)
        for name in ["run/averages.mrcs", "run/mean.mrc", "run/eigenimages.mrcs",
                     "set/particles.mrcs", "set/clean.mrcs"]:
            assert mrcfile.validate(f"{folder}/{name}"), name
        with mrcfile.open(f"{folder}/run/averages.mrcs") as stack:
            assert stack.data.shape == (60, 33, 33) and stack.is_image_stack()
            assert abs(stack.voxel_size.x - 5.64) < 1e-4, stack.voxel_size
        tables = starfile.read(f"{folder}/run/averages.star")
        assert list(tables) == ["optics", "particles"], list(tables)
        particles = tables["particles"]
        assert len(particles) == 60
        assert particles["rlnImageName"].iloc[59] == "000060@averages.mrcs"
        assert tables["optics"]["rlnImagePixelSize"].iloc[0] == 5.64
        truth = starfile.read(f"{folder}/set/truth.star", always_dict=True)["particles"]
        assert len(truth) == 60 and truth["rlnAngleTilt"].between(0, 180).all()
        print("read")
        """, to: "read.py")
      let run = try Command.runProgram([Project.python, folder.file("read.py"), folder.path])
      #expect(run.status == 0 && run.output.hasSuffix("read\n"), "\(run.text)")
    }

    private static let hasRELION = ["relion_star_handler", "relion_image_handler"].allSatisfy {
      (try? Command.runProgram(["which", $0]))?.status == 0
    }

    @Test(.enabled(if: hasRELION, "RELION is not installed"))
    func relion() throws {
      let folder = try DamagedSet.make()
      #expect(try DamagedSet.average(folder, ranks: nil).status == 0)
      let table = try Command.runProgram([
        "relion_star_handler", "--i", folder.file("run/averages.star"), "--o",
        folder.file("copy.star"), "--select", "rlnOpticsGroup", "--minval", "1",
      ])
      #expect(table.status == 0 && table.output.contains("with 30 item(s)"), "\(table.text)")
      let images = try Command.runProgram([
        "relion_image_handler", "--i", folder.file("run/averages.mrcs"), "--stats",
      ])
      // Of the last image, from its pixels here.
      let pixels = try RunOutput.stack(folder.file("run/averages.mrcs")).pixels.suffix(256)
      #expect(images.status == 0, "\(images.text)")
      let line = try #require(images.output.split(separator: "\n").last { $0.contains("30@") })
      #expect(line.contains("16 x 16 x 1 x 1") && line.contains("angpix = 10"))
      let mean = try #require(line.firstMatch(of: /avg= ([-.e0-9]+)/).flatMap { Double($0.1) })
      #expect(abs(mean - Double(pixels.reduce(0, +)) / 256) < 1e-4 * abs(mean))
    }
  }
}
