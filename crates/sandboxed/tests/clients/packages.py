"""Makes a package for each manager, and an index of it, in `site`."""
import hashlib, io, json, os, sys, tarfile, zipfile

text = sys.argv[2]


def write(path, content):
    path = os.path.join("site", path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
    return buffer.getvalue()


wheel = io.BytesIO()
with zipfile.ZipFile(wheel, "w") as files:
    files.writestr("greet.py", f"# {text}\n")
    about = "greet-1.0.0.dist-info/"
    files.writestr(about + "METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1.0.0\n")
    files.writestr(about + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    files.writestr(about + "RECORD", "")
write("simple/greet/greet-1.0.0-py3-none-any.whl", wheel.getvalue())
write("simple/greet/index.html", "<!DOCTYPE html><a href='greet-1.0.0-py3-none-any.whl'>greet-1.0.0-py3-none-any.whl</a>")

package = {"name": "greet", "version": "1.0.0", "main": "index.js"}
write("npm/greet-1.0.0.tgz", archive({"package/package.json": json.dumps(package), "package/index.js": f"// {text}\n"}))
package["dist"] = {"tarball": "@ORIGIN@/npm/greet-1.0.0.tgz"}
write("npm/greet", json.dumps({"name": "greet", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": package}}))

manifest = '[package]\nname = "greet"\nversion = "1.0.0"\nedition = "2021"\n'
crate = archive({"greet-1.0.0/Cargo.toml": manifest, "greet-1.0.0/src/lib.rs": f"// {text}\n"})
write("cargo/greet-1.0.0.crate", crate)
write("cargo/config.json", json.dumps({"dl": "@ORIGIN@/cargo/{crate}-{version}.crate"}))
entry = {"name": "greet", "vers": "1.0.0", "deps": [], "cksum": hashlib.sha256(crate).hexdigest(), "features": {}, "yanked": False}
write("cargo/gr/ee/greet", json.dumps(entry) + "\n")
