/** How each kind of device is told to trust an authority. HTML, written here, never from outside. */
export type Platform = { id: string; name: string; steps: readonly string[] };

export const PLATFORMS: readonly Platform[] = [
  {
    id: 'windows',
    name: 'Windows (Chrome, Edge, Firefox)',
    steps: [
      'Open <b>ca.crt</b> from the downloads and choose <b>Install Certificate…</b>',
      'Choose <b>Local Machine</b> for all users of this till, or <b>Current User</b>.',
      'Choose <b>Place all certificates in the following store</b>, <b>Browse…</b>, <b>Trusted Root Certification Authorities</b>, and finish.',
      'Close the browser altogether and open it again.',
    ],
  },
  {
    id: 'macos',
    name: 'macOS (Safari, Chrome, Firefox)',
    steps: [
      'Open <b>ca.crt</b>; Keychain Access adds it to a keychain. Choose <b>System</b> for all users of this till.',
      'Find <b>Branchline store …</b> among the certificates of that keychain and open it.',
      'Under <b>Trust</b>, set <b>When using this certificate</b> to <b>Always Trust</b>; close the window and give your password.',
    ],
  },
  {
    id: 'ios',
    name: 'iPhone and iPad (Safari; other browsers follow)',
    steps: [
      'In Safari, fetch the <b>Profile</b> above and allow the download.',
      '<b>Settings</b>, <b>General</b>, <b>VPN &amp; Device Management</b>: open the downloaded profile and <b>Install</b> it. It says <i>Not Verified</i>: nobody but you has compared its fingerprint.',
      '<b>Settings</b>, <b>General</b>, <b>About</b>, <b>Certificate Trust Settings</b>: switch it on under <b>Enable full trust for root certificates</b>. Without this step it is installed and not trusted.',
    ],
  },
  {
    id: 'android',
    name: 'Android (Chrome; Firefox follows)',
    steps: [
      'Fetch <b>ca.crt</b>. The device needs a screen lock.',
      '<b>Settings</b>, search for <b>CA certificate</b> (mostly under <b>Security</b>, <b>Encryption and credentials</b>, <b>Install a certificate</b>). Since Android 11 it can be installed from there only.',
      'Choose <b>CA certificate</b>, <b>Install anyway</b>, and the downloaded file.',
    ],
  },
  {
    id: 'chromeos',
    name: 'ChromeOS',
    steps: [
      'Fetch <b>ca.crt</b>.',
      'In Chrome open <b>Settings</b>, <b>Privacy and security</b>, <b>Security</b>, <b>Manage certificates</b>; import it under <b>Authorities</b> (newer releases: <b>Local certificates</b>, <b>Custom</b>, <b>Trusted certificates</b>).',
      'Tick <b>Trust this certificate for identifying websites</b>. On managed devices the administrator adds it instead: Admin console, <b>Devices</b>, <b>Networks</b>, <b>Certificates</b>.',
    ],
  },
  {
    id: 'linux',
    name: 'Linux, and Firefox with a store of its own',
    steps: [
      'Chrome and Chromium: <b>Settings</b>, <b>Privacy and security</b>, <b>Security</b>, <b>Manage certificates</b>, import <b>ca.crt</b> under <b>Custom</b>, <b>Trusted certificates</b>; or <code>certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n branchline -i ca.crt</code>.',
      'Firefox: <b>Settings</b>, <b>Privacy &amp; Security</b>, <b>View Certificates…</b>, <b>Authorities</b>, <b>Import…</b>, and tick <b>Trust this CA to identify websites</b>. On Windows, macOS and Android Firefox 120 and later trusts what the system trusts.',
      'Programs: copy <b>ca.pem</b> to <code>/usr/local/share/ca-certificates/branchline.crt</code> and run <code>sudo update-ca-certificates</code>; for Node set <code>NODE_EXTRA_CA_CERTS</code>.',
    ],
  },
];
